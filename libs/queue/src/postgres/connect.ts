import { createPostgresBackend } from 'bullmq';
import { Pool } from 'pg';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { BullWakeQueue } from '../bullmq-wake-queue.js';
import type { Coordination, CoordinationOptions } from '../coordination.js';
import { CoordinationUnavailable } from '../errors.js';
import { FlexibleCounters } from '../flexible-counters.js';
import { withinTimeout } from '../supervised.js';
import { prepareCounters } from './counters-table.js';
import { PostgresChangeNotifier } from './postgres-change-notifier.js';

const QUEUE_SCHEMA = 'wirebot_queue';
const CONNECT_WITHIN_MS = 5_000;

/** Coordination on PostgreSQL: one small pool, one listening connection, and BullMQ's own connections. */
export async function connectPostgres(options: CoordinationOptions): Promise<Coordination> {
  const common = { connectionString: options.databaseUrl, connectionTimeoutMillis: CONNECT_WITHIN_MS, keepAlive: true };
  const pool = new Pool({ ...common, application_name: 'wirebot-coordination', max: 4 });
  pool.on('error', (error) => options.onError(error, 'coordination pool'));
  const notifier = new PostgresChangeNotifier(pool, options.databaseUrl, options.onError);
  const wakes = new BullWakeQueue(
    {
      name: 'wakes',
      connection: { ...common, schema: QUEUE_SCHEMA, migrate: true, max: 3 },
      backend: createPostgresBackend,
    },
    options.onError,
  );
  try {
    const counters = await prepareCounters(pool, options.onError);
    await Promise.all([notifier.start(), wakes.start()]);
    return {
      store: 'postgres',
      notifier,
      wakes,
      counters: new FlexibleCounters(
        (points, duration) =>
          new RateLimiterPostgres({ ...counters.table, storeClient: pool, keyPrefix: 'c', points, duration }),
      ),
      ping: async () => void (await withinTimeout(pool.query('SELECT 1'))),
      close: async () => {
        counters.stop();
        await Promise.all([notifier.close(), wakes.close()]);
        await pool.end();
      },
    };
  } catch (cause) {
    await Promise.allSettled([notifier.close(), wakes.close(), pool.end()]);
    throw new CoordinationUnavailable({ cause });
  }
}
