import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

export const ROOT = resolve(import.meta.dirname, '..', '..', '..');
export const built = (...parts) => join(ROOT, 'dist', ...parts);
export const BUNDLE = built('gateway', 'gateway.mjs');
/** As in provisioning/docker/gateway.Dockerfile. */
export const GATEWAY_FLAGS = ['--max-semi-space-size=1'];
export const GATEWAY_ENVIRONMENT = { NODE_ENV: 'production', MALLOC_ARENA_MAX: '1' };

const END_LIMIT = 30_000;
const HEALTH_EVERY = 3;

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves with the time when `url` first answered 200; gives up at once when the process that should answer ends. */
export async function healthyAt(url, child, limit = 30_000) {
  const end = performance.now() + limit;
  for (;;) {
    const ok = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      async (response) => (await response.text()) && response.ok,
      () => false,
    );
    if (ok) return performance.now();
    if (child && child.exitCode !== null) throw new Error(`the process ended with ${child.exitCode}`);
    if (performance.now() > end) throw new Error(`${url} did not answer within ${limit / 1000} s`);
    await delay(HEALTH_EVERY);
  }
}

export async function end(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const killer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT);
  await ended;
  clearTimeout(killer);
}

/** The model double as a process of its own, so that its work is not done by the one that measures. */
export async function startModel(defer, key) {
  const child = spawn(process.execPath, [built('libs', 'testing', 'src', 'model-api.main.js')], {
    env: { PATH: process.env.PATH, MODEL_API_KEYS: key },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  defer(() => end(child));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return JSON.parse(line).url;
}
