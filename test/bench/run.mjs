// Builds what changed, then runs the named benchmarks, or all of them, one after the other on the project's Node.
// Usage: node test/bench/run.mjs [provisioning] [warm] [wake] [upgrade] [memory] [first-token] [rls] [audit] [broker-quota] [backup] [--runs n] [--driver docker|process]
import { join } from 'node:path';
import { environment, handOver, projectNode, ROOT } from '../../tools/build/project.mjs';

const ALL = [
  'provisioning',
  'warm',
  'wake',
  'upgrade',
  'memory',
  'first-token',
  'rls',
  'audit',
  'broker-quota',
  'backup',
];
const args = process.argv.slice(2);
const firstOption = args.findIndex((argument) => argument.startsWith('--'));
const names = firstOption < 0 ? args : args.slice(0, firstOption);
const options = firstOption < 0 ? [] : args.slice(firstOption);

const node = (...argv) => handOver(projectNode(), ['--enable-source-maps', ...argv], environment({ programs: true }));

async function main() {
  const unknown = names.find((name) => !ALL.includes(name));
  if (unknown !== undefined) {
    console.error(`There is no benchmark ${unknown}; there are: ${ALL.join(', ')}.`);
    return 2;
  }
  const built = await node(join(ROOT, 'tools', 'build.mjs'), '--quiet');
  if (built !== 0) return built;
  for (const name of names.length > 0 ? names : ALL) {
    const code = await node(join(import.meta.dirname, `${name}.mjs`), ...options);
    if (code !== 0) return code;
  }
  return 0;
}

process.exitCode = await main();
