import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningPostgres, startPostgres } from '../stack/postgres.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
const SCHEMA = `
generator client {
  provider = "prisma-client"
  output   = "../generated"
}
datasource db {
  provider = "postgresql"
}
model Item {
  id   String @id
  name String
}
`;

let project: string;
let server: RunningPostgres;

/** A small project of its own with this repository's configuration and stand-in. */
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'wirebot-prisma-'));
  server = await startPostgres({ dataDir: join(project, 'data'), instance: 'deadbeef', database: 'items' });
  await mkdir(join(project, 'tools'));
  await mkdir(join(project, 'prisma'));
  await symlink(join(ROOT, 'node_modules'), join(project, 'node_modules'));
  await symlink(join(ROOT, 'tools', 'prisma'), join(project, 'tools', 'prisma'));
  await cp(join(ROOT, 'prisma.config.ts'), join(project, 'prisma.config.ts'));
  await writeFile(join(project, 'package.json'), '{"type":"module"}');
  await writeFile(join(project, 'prisma', 'schema.prisma'), SCHEMA);
});
afterAll(async () => {
  await server.stop();
  await rm(project, { recursive: true, force: true });
});

async function prisma(...args: string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], DATABASE_URL: server.url, NO_COLOR: '1' };
  const cli = join(ROOT, 'node_modules', 'prisma', 'build', 'index.js');
  return (await run(process.execPath, [cli, ...args], { cwd: project, env })).stdout;
}

async function ask(sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const migrations = async () =>
  (await readdir(join(project, 'prisma', 'migrations'), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

describe("Prisma's command line on the stand-in for its schema engine", () => {
  it('writes the first migration from the schema and applies it', async () => {
    await prisma('migrate', 'dev', '--name', 'init');
    expect(await migrations()).toEqual([expect.stringMatching(/^\d{14}_init$/)]);
    expect(await ask('SELECT count(*)::int AS items FROM "Item"')).toEqual([{ items: 0 }]);
  });

  it('applies a migration whose function body holds semicolons', async () => {
    await prisma('migrate', 'dev', '--create-only', '--name', 'shout');
    const [, shout] = await migrations();
    const body =
      'CREATE FUNCTION shout(word text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN word := upper(word); RETURN word; END $$;';
    await appendFile(join(project, 'prisma', 'migrations', shout!, 'migration.sql'), `\n${body}\n`);
    await prisma('migrate', 'deploy');
    expect(await ask(`SELECT shout('hey')`)).toEqual([{ shout: 'HEY' }]);
  });

  it('says that the database is up to date, and that a changed schema is not', async () => {
    expect(await prisma('migrate', 'status')).toContain('Database schema is up to date!');
    const compare = [
      'migrate',
      'diff',
      '--from-config-datasource',
      '--to-schema',
      'prisma/schema.prisma',
      '--exit-code',
    ];
    expect(await prisma(...compare)).toContain('No difference detected');
    await writeFile(
      join(project, 'prisma', 'schema.prisma'),
      SCHEMA.replace('name String', 'name String\n  note String?'),
    );
    await expect(prisma(...compare)).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining('note') });
  });

  it('starts over on reset with every migration', async () => {
    await ask(`INSERT INTO "Item" VALUES ('1', 'one')`);
    await prisma('migrate', 'reset', '--force');
    expect(await ask('SELECT count(*)::int AS items FROM "Item"')).toEqual([{ items: 0 }]);
    expect(await ask('SELECT count(*)::int AS applied FROM _prisma_migrations')).toEqual([{ applied: 2 }]);
  });

  it('compares schemas without any server', async () => {
    const { stdout } = await run(
      process.execPath,
      [
        join(ROOT, 'node_modules/prisma/build/index.js'),
        'migrate',
        'diff',
        '--from-empty',
        '--to-schema',
        'prisma/schema.prisma',
        '--script',
      ],
      { cwd: project, env: { PATH: process.env['PATH'] } },
    );
    expect(stdout).toContain('CREATE TABLE "Item"');
  });

  it('generates the client', async () => {
    await prisma('generate');
    expect(await readFile(join(project, 'generated', 'client.ts'), 'utf8')).toContain('PrismaClient');
  });
});
