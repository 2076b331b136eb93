import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { built, end, freePort, ROOT, startModel } from './processes.mjs';

const START_LIMIT = 180_000;
const MODEL_KEY = 'benchmark-key';

/**
 * What `npm start` starts, in a data directory of its own: PostgreSQL with its durable defaults, control plane, proxy,
 * and an engine when one can be had. Its model is the double, which answers at once.
 */
export async function startStack(defer, driver, more = {}) {
  const modelUrl = await startModel(defer, MODEL_KEY);
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-stack-'));
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    LANG: 'C.UTF-8',
    ANTHROPIC_API_KEY: MODEL_KEY,
    ANTHROPIC_BASE_URL: modelUrl,
    WIREBOT_REQUESTS_PER_MINUTE: '1000000',
    ...(process.env.DOCKER_HOST ? { DOCKER_HOST: process.env.DOCKER_HOST } : {}),
    WIREBOT_WARM_GATEWAYS: '0',
    ...more,
    ...(process.env.NODE_IMAGE ? { NODE_IMAGE: process.env.NODE_IMAGE } : {}),
  };
  const options = { driver, port: await freePort(), dataDir, yes: true, json: false, help: false, rest: [] };
  const run = (command) =>
    spawn(process.execPath, [built('tools', 'stack', 'main.js'), JSON.stringify({ command, ...options })], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A Ctrl-C of the terminal is for the benchmark, which then stops the stack itself.
      detached: true,
    });
  const supervisor = run('start');
  const output = collect(supervisor);
  defer(async () => {
    await end(supervisor);
    const reset = run('reset');
    const said = collect(reset);
    if ((await once(reset, 'exit'))[0] !== 0) throw new Error(`the stack was not deleted:\n${said()}`);
    await rm(dataDir, { recursive: true, force: true });
  });
  const file = await ready(supervisor, dataDir, output);
  const read = async (name) => readFile(join(dataDir, name), 'utf8');
  return {
    file,
    modelUrl,
    modelKey: MODEL_KEY,
    instance: (await read('instance')).trim(),
    host: JSON.parse(await read('host.json')),
  };
}

function collect(child) {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  return () => text;
}

async function ready(supervisor, dataDir, output) {
  const limit = Date.now() + START_LIMIT;
  for (;;) {
    const text = await readFile(join(dataDir, 'stack.json'), 'utf8').catch(() => undefined);
    if (text) return JSON.parse(text);
    if (supervisor.exitCode !== null) throw new Error(`the stack ended with ${supervisor.exitCode}:\n${output()}`);
    if (Date.now() > limit) throw new Error(`the stack was not ready in time:\n${output()}`);
    await delay(50);
  }
}
