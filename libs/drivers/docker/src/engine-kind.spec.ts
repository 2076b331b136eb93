import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DriverError } from '#libs/drivers/core';
import { openEngine } from './engine-address.js';
import { assertRootful, engineKind } from './engine-kind.js';

const soon = (): AbortSignal => AbortSignal.timeout(10_000);
let base = '';
let answers: Record<string, unknown> = {};
const server = () =>
  createServer((request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answers[request.url!]));
  });
let engine: ReturnType<typeof server>;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'wb-kind-'));
  engine = server();
  await new Promise<void>((resolve) => engine.listen(join(base, 's'), resolve));
});
afterEach(() => {
  engine.close();
  engine.closeAllConnections();
  rmSync(base, { recursive: true, force: true });
});
const docker = () => openEngine({ kind: 'unix', socketPath: join(base, 's') });

it('knows Podman by what it calls itself', async () => {
  answers = { '/version': { Components: [{ Name: 'Podman Engine' }, { Name: 'Conmon' }] } };
  expect(await engineKind(docker(), soon())).toBe('podman');
  answers = { '/version': { Components: [{ Name: 'Engine' }, { Name: 'containerd' }] } };
  expect(await engineKind(docker(), soon())).toBe('docker');
});

it('refuses a rootless engine with what to do instead', async () => {
  answers = { '/info': { SecurityOptions: ['name=seccomp,profile=default', 'name=rootless'] } };
  const failure = (await assertRootful(docker(), soon()).catch((error: unknown) => error)) as DriverError;
  expect(failure).toMatchObject({ code: 'engine-refused', retryable: false });
  expect(failure.message).toContain('process driver');
  answers = { '/info': { SecurityOptions: ['name=seccomp,profile=default'] } };
  await assertRootful(docker(), soon());
});
