import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StackFile } from '#libs/contracts';
import { identifyProcess, isAlive, type ProcessIdentity, signalProcess } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPostmaster } from './postgres-processes.js';
import { RunFile } from './run-file.js';

const ROOT = join(import.meta.dirname, '..', '..');
const LAUNCHER = join(ROOT, 'tools', 'start.mjs');
const READY_LIMIT = 60_000;

let dataDir: string;
let port: number;
let launcher: ChildProcess;

const environment = () => ({ PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1' });
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
const stackFile = async () => JSON.parse(await readFile(join(dataDir, 'stack.json'), 'utf8')) as StackFile;
const readSupervisor = () =>
  stackFile().then(
    (file) => file.pids['supervisor'],
    () => undefined,
  );
const record = async () => (await RunFile.read(join(dataDir, 'run.json')))!;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: found } = server.address() as { port: number };
  server.close();
  return found;
}

function command(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [LAUNCHER, ...args, '--data-dir', dataDir],
      { cwd: ROOT, env: environment() },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    );
  });
}

/** `npm start`; resolves when stack.json describes this run, also where a killed one left its own. */
async function start(): Promise<StackFile> {
  const before = await readSupervisor();
  launcher = spawn(process.execPath, [LAUNCHER, '--driver', 'process', '--port', String(port), '--data-dir', dataDir], {
    cwd: ROOT,
    env: environment(),
  });
  let output = '';
  for (const stream of [launcher.stdout, launcher.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const end = Date.now() + READY_LIMIT;
  while ([undefined, before].includes(await readSupervisor())) {
    if (launcher.exitCode !== null || Date.now() > end) throw new Error(`the stack did not start:\n${output}`);
    await delay(50);
  }
  return stackFile();
}

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + READY_LIMIT;
  while (!(await what())) {
    if (Date.now() > end) throw new Error('waited too long');
    await delay(30);
  }
}

/** kill -9 without giving anything a chance to react; the launcher first, so that nobody waits for the supervisor. */
async function killNow(...identities: (ProcessIdentity | undefined)[]): Promise<void> {
  for (const identity of identities) if (identity) signalProcess(identity, 'SIGKILL');
  await until(() => identities.every((identity) => !identity || !isAlive(identity)));
}

const everything = async () => {
  const { supervisor, parts } = await record();
  return [
    identifyProcess(launcher.pid!),
    supervisor,
    parts.proxy,
    parts['control-plane'],
    (await findPostmaster(join(dataDir, 'postgres')))?.identity,
  ];
};

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wirebot-stack-'));
  port = await freePort();
});
afterAll(async () => {
  await command('reset', '--yes');
  await rm(dataDir, { recursive: true, force: true });
});

describe('one stack, from first start to reset', () => {
  it('describes itself in a private file once everything is ready', async () => {
    const stack = await start();
    expect((await stat(join(dataDir, 'stack.json'))).mode & 0o777).toBe(0o600);
    expect((await fetch(`${stack.proxy.url}/ready`)).status).toBe(200);
    expect((await fetch(`${stack.controlPlane.url}/ready`)).status).toBe(200);
    expect(stack).toMatchObject({
      driver: 'process',
      proxy: { url: `http://127.0.0.1:${port}` },
      tenant: { url: `http://127.0.0.1:${port}/t/demo` },
    });
  });

  it('tells its state to programs', async () => {
    const { code, output } = await command('status', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ state: 'running' });
  });

  it('refuses a second start of the same data directory', async () => {
    const { code, output } = await command('start');
    expect(code).toBe(1);
    expect(output).toContain('This stack is running already');
  });

  it('starts a part again that was killed, and says where it is now', async () => {
    const before = await record();
    await killNow(before.parts.proxy);
    await until(async () => (await command('status')).code === 0);
    const { proxy, pids } = await stackFile();
    expect(pids['proxy']).not.toBe(before.parts.proxy!.pid);
    expect((await fetch(`${proxy.url}/ready`)).status).toBe(200);
  });

  it('starts after kill -9 of everything, as the same installation', async () => {
    const [instance, key] = await Promise.all([
      readFile(join(dataDir, 'instance'), 'utf8'),
      stackFile().then((file) => file.tenant.apiKey),
    ]);
    await killNow(...(await everything()));
    await start();
    expect(await readFile(join(dataDir, 'instance'), 'utf8')).toBe(instance);
    expect((await stackFile()).tenant.apiKey).toBe(key);
  });

  it('ends what a killed supervisor left before it starts its own', async () => {
    const left = await record();
    await killNow(identifyProcess(launcher.pid!), left.supervisor);
    expect(isAlive(left.parts.proxy!)).toBe(true);
    await start();
    expect(isAlive(left.parts.proxy!)).toBe(false);
    expect(isAlive(left.parts['control-plane']!)).toBe(false);
  });

  it('leaves nothing running after Ctrl-C', async () => {
    const running = await everything();
    const ended = once(launcher, 'exit');
    launcher.kill('SIGINT');
    expect((await ended)[0]).toBe(0);
    expect(running.filter((identity) => identity && isAlive(identity))).toEqual([]);
    expect(await exists(join(dataDir, 'stack.json'))).toBe(false);
    expect((await command('status')).code).toBe(3);
  });

  it('can be stopped when its supervisor is dead', async () => {
    await start();
    const running = await everything();
    await killNow(identifyProcess(launcher.pid!), (await record()).supervisor);
    expect((await command('stop')).code).toBe(0);
    expect(running.filter((identity) => identity && isAlive(identity))).toEqual([]);
  });

  it('is deleted only when that is said', async () => {
    expect((await command('reset')).code).toBe(1);
    expect(await exists(join(dataDir, 'postgres'))).toBe(true);
    expect((await command('reset', '--yes')).code).toBe(0);
    expect(await exists(dataDir)).toBe(false);
  });
});
