import { freshDatabase, freshRedis } from '#libs/testing';
import { describe, expect, it } from 'vitest';
import { describeCoordination } from './coordination.contract.js';
import { createCoordination } from './create-coordination.js';
import { CoordinationUnavailable } from './errors.js';

describeCoordination('PostgreSQL', async () => {
  const database = await freshDatabase({ migrate: false });
  return {
    connect: (errors) => createCoordination({ databaseUrl: database.url, onError: (error) => errors.push(error) }),
    cutSubscribers: async () => {
      await database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wirebot-notifier'`,
      );
    },
    cutAll: async () => {
      await database.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
    },
    flush: async () => {
      await database.query(
        'TRUNCATE wirebot_queue.job, wirebot_queue.dedup, wirebot_queue.dedup_next, wirebot_counters.counters CASCADE',
      );
    },
    drop: () => database.drop(),
  };
});

describeCoordination('Redis', async () => {
  const redis = await freshRedis();
  return {
    connect: (errors) =>
      createCoordination({
        databaseUrl: 'postgres://127.0.0.1:1/unused',
        redisUrl: redis.url,
        namespace: redis.namespace,
        onError: (error) => errors.push(error),
      }),
    cutSubscribers: () => redis.cutSubscribers(),
    cutAll: () => redis.cutAll(),
    flush: () => redis.flush(),
    drop: () => redis.drop(),
  };
});

describe('a store that is not there', () => {
  it.each([
    ['PostgreSQL', { databaseUrl: 'postgres://127.0.0.1:1/none' }],
    ['Redis', { databaseUrl: 'postgres://127.0.0.1:1/none', redisUrl: 'redis://127.0.0.1:1' }],
  ])('makes creating coordination on %s fail with a sentence', async (_name, urls) => {
    const creating = createCoordination({ ...urls, onError: () => undefined });
    await expect(creating).rejects.toBeInstanceOf(CoordinationUnavailable);
  });
});
