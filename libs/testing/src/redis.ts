import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';

export interface TestRedis {
  readonly url: string;
  /** Prefix of this test's keys and channels: files run side by side on one server. */
  readonly namespace: string;
  /** Deletes every key of the namespace. */
  flush(): Promise<void>;
  /** Ends all connections that are in subscriber mode. */
  cutSubscribers(): Promise<void>;
  /** Ends all other connections: those of other test files too, so only for tests of reconnecting. */
  cutAll(): Promise<void>;
  /** Empties the namespace and disconnects: call it in `afterAll`. */
  drop(): Promise<void>;
}

/** A namespace of its own on the server of WIREBOT_TEST_REDIS_URL. */
export async function freshRedis(): Promise<TestRedis> {
  const url = process.env['WIREBOT_TEST_REDIS_URL'];
  if (!url) throw new Error('WIREBOT_TEST_REDIS_URL is not set: `npm test` starts a Redis and names it there.');
  const namespace = `t${randomBytes(6).toString('hex')}`;
  const client = new Redis(url, { lazyConnect: true });
  await client.connect();
  const flush = async () => {
    const keys = await client.keys(`${namespace}*`);
    if (keys.length > 0) await client.del(...keys);
  };
  return {
    url,
    namespace,
    flush,
    cutSubscribers: async () => void (await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')),
    cutAll: async () => void (await client.call('CLIENT', 'KILL', 'SKIPME', 'yes')),
    drop: async () => {
      await flush();
      client.disconnect();
    },
  };
}
