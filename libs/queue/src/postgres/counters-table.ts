import type { Pool } from 'pg';
import type { CoordinationErrorHandler } from '../supervised.js';

const SCHEMA = 'wirebot_counters';
const TABLE = 'counters';
const CLEAN_EVERY_MS = 300_000;

/** rate-limiter-flexible's table in a schema of its own; expired rows are deleted every five minutes. */
export async function prepareCounters(pool: Pool, onError: CoordinationErrorHandler) {
  // CREATE ... IF NOT EXISTS still collides when two processes start at once, hence the lock.
  await pool.query(`
    BEGIN;
    SELECT pg_advisory_xact_lock(hashtext('${SCHEMA}'));
    CREATE SCHEMA IF NOT EXISTS ${SCHEMA};
    CREATE TABLE IF NOT EXISTS ${SCHEMA}.${TABLE} (key varchar(255) PRIMARY KEY, points integer NOT NULL DEFAULT 0, expire bigint);
    CREATE INDEX IF NOT EXISTS counters_expire ON ${SCHEMA}.${TABLE} (expire);
    COMMIT;`);
  const clean = () =>
    pool
      .query(`DELETE FROM ${SCHEMA}.${TABLE} WHERE expire < $1`, [Date.now()])
      .catch((error: unknown) => onError(error, 'clean counters'));
  const timer = setInterval(() => void clean(), CLEAN_EVERY_MS);
  timer.unref();
  const table = { schemaName: SCHEMA, tableName: TABLE, tableCreated: true, clearExpiredByTimeout: false };
  return { table, stop: () => clearInterval(timer) };
}
