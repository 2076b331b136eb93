import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Pool, type QueryResultRow } from 'pg';

export interface TestDatabase {
  /** Connection string of the role that owns the database. */
  readonly url: string;
  readonly name: string;
  /** A query as the owner, past every policy. */
  query<T extends QueryResultRow = QueryResultRow>(text: string, values?: unknown[]): Promise<T[]>;
  /** Ends all connections and drops the database: call it in `afterAll`. */
  drop(): Promise<void>;
}

const serverUrl = (): string => {
  const url = process.env['WIREBOT_TEST_DATABASE_URL'];
  if (!url) throw new Error('WIREBOT_TEST_DATABASE_URL is not set: `npm test` starts a PostgreSQL and names it there.');
  return url;
};

const withDatabase = (url: string, name: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.toString();
};

function migrationsFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'prisma', 'migrations'))) {
    if (dirname(folder) === folder) throw new Error('prisma/migrations was not found above this file');
    folder = dirname(folder);
  }
  return join(folder, 'prisma', 'migrations');
}

async function once<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Applies every prisma/migrations/<name>/migration.sql in order, as `prisma migrate deploy` would. */
export async function applyMigrations(url: string): Promise<void> {
  const folder = migrationsFolder();
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
  await once(url, async (client) => {
    for (const name of names) await client.query(readFileSync(join(folder, name, 'migration.sql'), 'utf8'));
  });
}

/**
 * A new, migrated database on the server of WIREBOT_TEST_DATABASE_URL. Call it in `beforeAll` (one per
 * file), or per test where isolation matters more than 100 ms, and `drop()` it afterwards.
 */
export async function freshDatabase(options: { readonly migrate?: boolean } = {}): Promise<TestDatabase> {
  const name = `wirebot_test_${randomBytes(6).toString('hex')}`;
  const url = withDatabase(serverUrl(), name);
  await once(serverUrl(), async (client) => {
    // Migrations make roles, which belong to the whole server: test files that run side by side take turns.
    await client.query('SELECT pg_advisory_lock(hashtext($1))', ['wirebot test databases']);
    await client.query(`CREATE DATABASE ${name}`);
    if (options.migrate !== false) await applyMigrations(url);
  });
  const pool = new Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined); // dropping the database ends idle connections
  let dropped: Promise<void> | undefined;
  const drop = () =>
    (dropped ??= pool
      .end()
      .then(() => once(serverUrl(), (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)))
      .then(() => undefined));
  return {
    url,
    name,
    query: async <T extends QueryResultRow>(text: string, values?: unknown[]) =>
      (await pool.query<T>(text, values)).rows,
    drop,
  };
}
