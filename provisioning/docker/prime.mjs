// Runs the gateway once while the image is built: Node writes its compile cache when the process ends.
// Best effort by design: without a cache the gateway starts slower, not wrongly. What happened is printed.
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const port = 20998;
const folder = (name) => mkdtempSync(join(tmpdir(), name));
const child = spawn(process.execPath, ['--max-semi-space-size=1', '/app/gateway.mjs'], {
  stdio: ['ignore', 'ignore', 'pipe'],
  env: {
    ...process.env,
    NODE_ENV: 'production',
    WIREBOT_GATEWAY_ID: 'gw_prime',
    WIREBOT_STATE_DIR: folder('state-'),
    WIREBOT_SECRETS_DIR: folder('secrets-'),
    WIREBOT_LISTEN_HOST: '127.0.0.1',
    WIREBOT_PORT: String(port),
    WIREBOT_CONTROL_PORT: String(port + 1),
  },
});
let complaint = '';
child.stderr.on('data', (chunk) => (complaint = (complaint + chunk).slice(-500)));
const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));

const answers = () =>
  fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1000) }).then(
    (response) => response.ok,
    () => false,
  );
let healthy = false;
const end = Date.now() + 10_000;
while (!healthy && child.exitCode === null && child.signalCode === null && Date.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  healthy = await answers();
}
child.kill('SIGTERM');
const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
const how = await ended;
clearTimeout(killer);
console.log(
  healthy
    ? `compile cache: primed (ended with ${how})`
    : `compile cache: partial, the gateway did not answer (${how}) ${complaint}`,
);
