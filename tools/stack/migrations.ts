import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { ROOT } from './paths.js';
import { StackError } from './stack-error.js';

const run = promisify(execFile);
const LIMIT = 300_000;
const UNKNOWN_TABLE = '42P01';

/**
 * Brings the database to the newest migration; answers how many were pending. Prisma's CLI takes about a second even
 * when it has nothing to do, so the common case is decided by one query.
 */
export async function migrate(databaseUrl: string): Promise<number> {
  const applied = await appliedMigrations(databaseUrl);
  const pending = (await migrationsOnDisk()).filter((name) => !applied.has(name));
  if (pending.length > 0) await prisma(['migrate', 'deploy'], databaseUrl);
  return pending.length;
}

/** Empties the database and applies all migrations again. */
export const resetDatabase = (databaseUrl: string): Promise<void> =>
  prisma(['migrate', 'reset', '--force'], databaseUrl);

async function migrationsOnDisk(): Promise<string[]> {
  const entries = await readdir(join(ROOT, 'prisma', 'migrations'), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** Migrations that finished. A failed one is not among them: Prisma's CLI then explains what to do. */
async function appliedMigrations(databaseUrl: string): Promise<Set<string>> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000, query_timeout: 30_000 });
  client.on('error', () => undefined); // the running call rejects as well
  try {
    await client.connect();
    const { rows } = await client.query<{ migration_name: string }>(
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
    );
    return new Set(rows.map((row) => row.migration_name));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === UNKNOWN_TABLE) return new Set();
    throw new StackError(
      'database-unreachable',
      `The database does not answer as it should: ${message || code}. Check DATABASE_URL and that the server runs.`,
      { cause: error },
    );
  } finally {
    await client.end();
  }
}

async function prisma(args: string[], databaseUrl: string): Promise<void> {
  const env = { ...process.env, DATABASE_URL: databaseUrl, NO_COLOR: '1' };
  try {
    await run(process.execPath, [join(ROOT, 'node_modules', 'prisma', 'build', 'index.js'), ...args], {
      cwd: ROOT,
      env,
      timeout: LIMIT,
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new StackError('migration-failed', `prisma ${args.join(' ')} failed:\n${said}`, { cause: error });
  }
}
