/** The static checks of `npm run check`, all of them even when one fails, each with its time. */
import { environment, ROOT } from './project.mjs';
import { done, failed } from './steps.mjs';
import { spawnSync } from 'node:child_process';

const CHECKS = [
  ['Format', 'format:check'],
  ['Lint', 'lint'],
  ['Types', 'typecheck'],
  ['Boundaries', 'boundaries'],
  ['Dead code', 'deadcode'],
];

for (const [label, script] of CHECKS) {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync('npm', ['run', '-s', script], {
    cwd: ROOT,
    env: environment({ programs: true }),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) done(label, startedAt);
  else {
    failed(`${label} (npm run ${script})\n${stdout}${stderr}`.trimEnd());
    process.exitCode = 1;
  }
}
