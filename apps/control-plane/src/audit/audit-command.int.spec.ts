import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { AuditCommandModule } from './audit-command.module.js';
import { AuditCommand } from './audit-command.js';

let folder: string;
let database: TestDatabase;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wb-audit-'));
  database = await freshDatabase();
  await mkdir(join(folder, 'secrets'), { mode: 0o700 });
  await writeFile(join(folder, 'secrets', 'master-key'), 'cd'.repeat(32));
  await writeFile(join(folder, 'secrets', 'proxy-credential'), 'proxy-credential-for-tests');
  Object.assign(process.env, { DATABASE_URL: database.url, WIREBOT_DATA_DIR: folder, WIREBOT_LOG_LEVEL: 'silent' });
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

/** As `wirebot audit` is run: a process of its own each time, beside the control plane. */
async function run(...words: string[]): Promise<{ code: number; printed: string }> {
  const app = await NestFactory.createApplicationContext(AuditCommandModule, { logger: false, abortOnError: false });
  try {
    const out = new PassThrough();
    const code = await app.get(AuditCommand).run(words, out);
    out.end();
    return { code, printed: await text(out) };
  } finally {
    await app.close();
  }
}

it('starts with what it has of its own, and finds what an earlier run has written genuine', async () => {
  expect(await run('verify')).toEqual({ code: 0, printed: 'intact  platform: 0 lines\n' });
  const { printed } = await run('export', '--platform');
  expect(JSON.parse(printed)).toMatchObject({ seq: 1, action: 'audit.export', actor: 'system:command' });
  const { code, printed: verified } = await run('verify', '--platform');
  expect(code).toBe(0);
  expect(verified).toMatch(/^intact  platform: 1 line  1:[0-9a-f]{64}$/m);
});
