import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from './processes.mjs';

const DATABASE = 'wirebot';

/** A PostgreSQL of its own with the durable defaults of `npm start` and every migration; answers the owner's address. */
export async function startDatabase(defer) {
  // Reached by file because they are nobody else's business.
  const { startPostgres } = await import(built('tools', 'stack', 'postgres.js'));
  const { applyMigrations } = await import(built('libs', 'testing', 'src', 'postgres.js'));
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-pg-'));
  defer(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir, instance: 'bench', database: DATABASE });
  defer(() => postgres.stop());
  await applyMigrations(postgres.url);
  return postgres.url;
}

const ROWS_AT_ONCE = 1_000;

/** Tenants `ten_0`, `ten_1`, … with as many members each. */
export async function seedMembers(client, tenants, members) {
  await client.query(
    `INSERT INTO tenants (id, slug, name, brand, updated_at)
     SELECT 'ten_' || n, 'tenant-' || n, 'Tenant', '{}', now() FROM generate_series(0, $1 - 1) n`,
    [tenants],
  );
  for (let from = 0; from < members; from += ROWS_AT_ONCE)
    await client.query(
      `INSERT INTO members (id, tenant_id, external_id, email, name, tier_key, time_zone, locale, updated_at)
       SELECT 'mem_' || t || '_' || n, 'ten_' || t, 'site-' || n, 'member@example.com', 'Member', 'wire', 'UTC', 'en', now()
       FROM generate_series(0, $1 - 1) t, generate_series($2::int, least($2 + $4, $3) - 1) n`,
      [tenants, from, members, ROWS_AT_ONCE],
    );
  await client.query('ANALYZE');
}
