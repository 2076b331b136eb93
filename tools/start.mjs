/**
 * The one command: runs on any Node from 18 on, with nothing installed. Installs and builds what is missing, then hands
 * over to dist/tools/stack/main.js on the project's own Node.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HELP, parseArguments } from './build/arguments.mjs';
import { ensureInstalled } from './build/install.mjs';
import { environment, Fault, handOver, projectNode, ROOT } from './build/project.mjs';
import { failed } from './build/steps.mjs';

const MAIN = join(ROOT, 'dist', 'tools', 'stack', 'main.js');
const DEMO = join(ROOT, 'dist', 'tools', 'demo', 'main.js');
const OLDEST_NODE = 18;

async function main() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE)
    throw new Fault(`Node ${OLDEST_NODE} or newer is needed to begin; this is ${process.version}.`);
  const { options, error } = parseArguments(process.argv.slice(2), process.env, process.cwd());
  if (error) throw new Fault(error);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  return options.command === 'demo' ? runDemo(options) : runStack(options);
}

async function runStack(options) {
  const used = existsSync(join(options.dataDir, 'instance'));
  if (options.command !== 'start' && !used) {
    console.log(
      options.json ? '{"state":"stopped","parts":[]}' : `Nothing runs: ${options.dataDir} was never started.`,
    );
    return options.command === 'status' ? 3 : 0;
  }
  // What stops or inspects a running stack must not rebuild the code below it.
  if (options.command === 'start' || !existsSync(MAIN)) await prepare();
  return project([MAIN, JSON.stringify(options)]);
}

async function runDemo(options) {
  if (!existsSync(DEMO)) await prepare();
  return project([DEMO, ...options.rest]);
}

async function prepare() {
  await ensureInstalled();
  const code = await project([join(ROOT, 'tools', 'build.mjs'), '--quiet']);
  if (code !== 0) process.exit(code);
}

const project = (args) => handOver(projectNode(), ['--enable-source-maps', ...args], environment({ programs: true }));

try {
  process.exitCode = await main();
} catch (error) {
  failed(error instanceof Fault ? error.message : error.stack);
  process.exitCode = 1;
}
