import { createRedisBackend } from 'bullmq';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { BullWakeQueue } from '../bullmq-wake-queue.js';
import type { Coordination, CoordinationOptions } from '../coordination.js';
import { CoordinationUnavailable } from '../errors.js';
import { FlexibleCounters } from '../flexible-counters.js';
import { CALL_TIMEOUT_MS, withinTimeout } from '../supervised.js';
import { RedisChangeNotifier } from './redis-change-notifier.js';

const RECONNECT_CAP_MS = 2_000;

/** Coordination on Redis: one connection for commands, one for subscriptions, and BullMQ's own. */
export async function connectRedis(url: string, options: CoordinationOptions): Promise<Coordination> {
  const namespace = options.namespace ?? 'wirebot';
  const retryStrategy = (times: number) => Math.min(times * 100, RECONNECT_CAP_MS);
  const commands = new Redis(url, {
    lazyConnect: true,
    retryStrategy,
    commandTimeout: CALL_TIMEOUT_MS,
    maxRetriesPerRequest: 2,
  });
  const subscriber = new Redis(url, { lazyConnect: true, retryStrategy, maxRetriesPerRequest: null });
  for (const client of [commands, subscriber]) client.on('error', (error) => options.onError(error, 'redis'));
  const notifier = new RedisChangeNotifier(commands, subscriber, `${namespace}:notice:`, options.onError);
  const wakes = new BullWakeQueue(
    {
      name: 'wakes',
      connection: { url, retryStrategy, maxRetriesPerRequest: null },
      backend: createRedisBackend,
      prefix: `${namespace}:queue`,
    },
    options.onError,
  );
  try {
    await Promise.all([commands.connect(), subscriber.connect(), withinTimeout(wakes.start())]);
  } catch (cause) {
    notifier.close();
    void wakes.close().catch((error: unknown) => options.onError(error, 'close'));
    throw new CoordinationUnavailable({ cause });
  }
  return {
    store: 'redis',
    notifier,
    wakes,
    counters: new FlexibleCounters(
      (points, duration) =>
        new RateLimiterRedis({ storeClient: commands, keyPrefix: `${namespace}:count`, points, duration }),
    ),
    ping: async () => void (await withinTimeout(commands.ping())),
    close: async () => {
      await wakes.close();
      notifier.close();
    },
  };
}
