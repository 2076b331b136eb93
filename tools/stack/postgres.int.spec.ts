import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess, isAlive, signalProcess } from '#libs/drivers/core';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningPostgres, startPostgres, stopPostgres } from './postgres.js';

const INSTANCE = 'deadbeef';
let dataDir: string;
let server: RunningPostgres | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wirebot-pg-'));
});
afterEach(async () => {
  await stopPostgres(dataDir);
  await rm(dataDir, { recursive: true, force: true });
});

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

const start = async (): Promise<RunningPostgres> => (server = await startPostgres({ dataDir, instance: INSTANCE }));
const kill = (pid: number) => {
  const identity = identifyProcess(pid)!;
  signalProcess(identity, 'SIGKILL');
  return identity;
};

describe('embedded PostgreSQL', () => {
  it('opens no network port and keeps commits durable', async () => {
    const { url } = await start();
    const rows = await ask(
      url,
      `SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'fsync', 'synchronous_commit')`,
    );
    expect(Object.fromEntries(rows.map((row) => [row['name'], row['setting']]))).toEqual({
      listen_addresses: '',
      fsync: 'on',
      synchronous_commit: 'on',
    });
  });

  it('keeps its data over a clean stop and start', async () => {
    await ask((await start()).url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await server!.stop();
    expect(await ask((await start()).url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  });

  it('adopts a server that runs already instead of starting a second one', async () => {
    const first = await start();
    const second = await start();
    expect(second).toMatchObject({ pid: first.pid, adopted: true });
  });

  it('starts again after kill -9 with every commit', async () => {
    const first = await start();
    await ask(first.url, 'CREATE TABLE kept (value int); INSERT INTO kept VALUES (1), (2)');
    const identity = kill(first.pid);
    while (isAlive(identity)) await new Promise((resolve) => setTimeout(resolve, 10));
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await ask(second.url, 'SELECT count(*)::int AS rows FROM kept')).toEqual([{ rows: 2 }]);
  });

  it('starts though the left-over lock files name a living process of somebody else', async () => {
    const first = await start();
    const lockFile = join(dataDir, 'postgres', 'postmaster.pid');
    const socketLock = join(new URL(first.url).searchParams.get('host')!, '.s.PGSQL.5432.lock');
    const locks = await Promise.all(
      [lockFile, socketLock].map(async (path) => ({ path, text: await readFile(path, 'utf8') })),
    );
    await first.stop();
    for (const { path, text } of locks) await writeFile(path, text.replace(/^\d+/, String(process.pid)));
    const second = await start();
    expect(second.pid).not.toBe(process.pid);
    expect(await ask(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('uses a short socket path when the data directory is deep', async () => {
    const deep = join(dataDir, 'x'.repeat(60), 'y'.repeat(60));
    const deepServer = await startPostgres({ dataDir: deep, instance: `t${process.pid}` });
    try {
      expect(await ask(deepServer.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await deepServer.stop();
      await rm(new URL(deepServer.url).searchParams.get('host')!, { recursive: true, force: true });
    }
  });

  it.skipIf(process.getuid?.() !== 0)('runs as another uid where user namespaces are off', async () => {
    const other = await startPostgres({ dataDir, instance: INSTANCE, launcher: 'other-uid' });
    expect(await readFile(`/proc/${other.pid}/status`, 'utf8')).toMatch(/^Uid:\s+65534\s/m);
    expect(await ask(other.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('says what PostgreSQL wrote when it does not start', async () => {
    await (await start()).stop();
    const broken = startPostgres({ dataDir, instance: INSTANCE, extraSettings: { shared_buffers: 'nonsense' } });
    await expect(broken).rejects.toThrow(/invalid value for parameter "shared_buffers"/);
  });
});
