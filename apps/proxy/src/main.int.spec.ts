import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../test/stack.fixture.js';

const root = new URL('../../..', import.meta.url).pathname;
let directory: string;

beforeAll(() => {
  // The compiled form, as it is started in earnest, but in a folder of its own.
  directory = mkdtempSync(join(tmpdir(), 'wirebot-proxy-main-'));
  const swc = join(root, 'node_modules/.bin/swc');
  execFileSync(swc, ['apps/proxy/src', 'libs', '-d', join(directory, 'dist')], { cwd: root, stdio: 'pipe' });
  copyFileSync(join(root, 'package.json'), join(directory, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'proxy-credential'), 'x');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly lines: () => string;
  readonly exit: Promise<number | null>;
}

function run(environment: Record<string, string>): Run {
  const env = {
    PATH: process.env['PATH'],
    WIREBOT_PROXY_PORT: '0',
    WIREBOT_DATA_DIR: directory,
    WIREBOT_SECRETS_DIR: directory,
    ...environment,
  };
  const child = spawn(process.execPath, [join(directory, 'dist/apps/proxy/src/main.js')], { env, cwd: directory });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
  return { child, lines: () => text, exit: new Promise((resolve) => child.on('exit', resolve)) };
}

describe('the proxy as a process', () => {
  it('listens, answers, and ends with 0 on SIGTERM', async () => {
    const { child, lines, exit } = run({
      WIREBOT_BROKER_LISTEN: '127.0.0.1:0,192.0.2.1:4999',
      ANTHROPIC_API_KEY: 'key-nobody-sees',
    });
    await until(() => lines().includes('proxy listening') && lines().includes('does not exist yet'), 20_000);
    const listening = lines()
      .split('\n')
      .find((line) => line.includes('proxy listening'))!;
    const { port } = JSON.parse(listening) as { port: number };
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(503);
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(lines()).toContain('proxy stopped');
    expect(lines()).not.toContain('key-nobody-sees');
  });

  it('says which variable is wrong, without its value, and ends with 1', async () => {
    const { lines, exit } = run({ WIREBOT_BROKER_LISTEN: 'secret-value' });
    expect(await exit).toBe(1);
    expect(lines()).toContain('WIREBOT_BROKER_LISTEN');
    expect(lines()).not.toContain('secret-value');
  });

  it('ends with 1 when its port is taken', async () => {
    const first = run({});
    await until(() => first.lines().includes('proxy listening'), 20_000);
    const listening = first
      .lines()
      .split('\n')
      .find((line) => line.includes('proxy listening'))!;
    const { port } = JSON.parse(listening) as { port: number };
    const second = run({ WIREBOT_PROXY_PORT: String(port) });
    expect(await second.exit).toBe(1);
    expect(second.lines()).toContain('EADDRINUSE');
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
  });
});
