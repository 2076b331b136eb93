/**
 * `npm test -- [unit|integration|e2e] [paths] [--check]`: installs and builds like `npm start`, then hands over to
 * dist/tools/stack/testing/main.js on the project's own Node.
 */
import { join } from 'node:path';
import { ensureInstalled } from './build/install.mjs';
import { environment, Fault, handOver, projectNode, ROOT } from './build/project.mjs';
import { failed } from './build/steps.mjs';

const project = (...args) =>
  handOver(projectNode(), ['--enable-source-maps', ...args], environment({ programs: true }));

try {
  await ensureInstalled();
  const built = await project(join(ROOT, 'tools', 'build.mjs'), '--quiet');
  process.exitCode =
    built || (await project(join(ROOT, 'dist', 'tools', 'stack', 'testing', 'main.js'), ...process.argv.slice(2)));
} catch (error) {
  failed(error instanceof Fault ? error.message : error.stack);
  process.exitCode = 1;
}
