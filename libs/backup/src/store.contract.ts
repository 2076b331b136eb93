import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackupStore } from './store.js';

/** A store for one test. */
export interface StoreUnderTest {
  readonly store: BackupStore;
  /** As many bytes as make it use several parts, if it has such. */
  readonly large: number;
  close(): Promise<void>;
}

const never = new AbortController().signal;

async function* chunked(data: Buffer, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function keysOf(store: BackupStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, never)) keys.push(key);
  return keys.toSorted();
}

/** What every store must do. */
export function describeBackupStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a BackupStore`, () => {
    let test: StoreUnderTest;
    let store: BackupStore;
    beforeEach(async () => {
      test = await open();
      ({ store } = test);
    });
    afterEach(() => test.close());

    const put = (key: string, data: Buffer) => store.put(key, chunked(data), never);
    const read = async (key: string) => buffer(await store.get(key, never));

    it.each(['nothing', 'a little', 'much'])('gives back %s as it was put', async (how) => {
      const data = randomBytes(how === 'nothing' ? 0 : how === 'much' ? test.large : 1_000);
      await put('a/b/object.age', data);
      expect((await read('a/b/object.age')).equals(data)).toBe(true);
      expect(await store.stat('a/b/object.age', never)).toMatchObject({ key: 'a/b/object.age', bytes: data.length });
    });

    it('gives back a range', async () => {
      await put('a/object', Buffer.from('0123456789'));
      expect(String(await buffer(await store.get('a/object', never, { first: 2, last: 4 })))).toBe('234');
    });

    it('replaces an object', async () => {
      await put('a/object', Buffer.from('old and longer'));
      await put('a/object', Buffer.from('new'));
      expect(String(await read('a/object'))).toBe('new');
    });

    it('has nothing under a key whose upload failed, and keeps what was there', async () => {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield randomBytes(test.large);
        throw new Error('the source broke');
      }
      await put('a/kept', Buffer.from('before'));
      for (const key of ['a/kept', 'a/fresh'])
        await expect(store.put(key, failing(), never)).rejects.toThrow('the source broke');
      expect(String(await read('a/kept'))).toBe('before');
      expect(await store.stat('a/fresh', never)).toBeUndefined();
    });

    it('leaves nothing of an upload that was called off', async () => {
      const stop = new AbortController();
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (let sent = 0; ; sent += 65_536) {
          if (sent > test.large) stop.abort(new Error('called off'));
          await setImmediate();
          yield Buffer.alloc(65_536);
        }
      }
      await expect(store.put('a/object', endless(), stop.signal)).rejects.toThrow('called off');
      expect(await keysOf(store, '')).toEqual([]);
      expect(await store.discardPartial(new Date(Date.now() + 3_600_000), never)).toBe(0);
    });

    it('lists what begins with a prefix, however much there is', async () => {
      const names = Array.from({ length: 7 }, (_, at) => `a/one/${at}`);
      for (const key of [...names, 'a/onemore', 'b/one']) await put(key, Buffer.from(key));
      expect(await keysOf(store, 'a/one/')).toEqual(names);
      expect(await keysOf(store, '')).toHaveLength(9);
      expect(await keysOf(store, 'c/')).toEqual([]);
    });

    it('deletes, also what is not there', async () => {
      await put('a/object', Buffer.from('x'));
      await store.delete('a/object', never);
      await store.delete('a/object', never);
      expect(await store.stat('a/object', never)).toBeUndefined();
      await expect(store.get('a/object', never)).rejects.toMatchObject({
        code: 'backup-object-missing',
        retryable: false,
      });
    });

    it.each(['', '/etc/passwd', '../x', 'a/../../x', 'a//b', './a', 'a\\b', 'a\0b', '.partial/x', 'a/.hidden'])(
      'refuses the key %j',
      async (key) => {
        const refused = { code: 'backup-store-refused' };
        await expect(store.put(key, chunked(Buffer.from('x')), never)).rejects.toMatchObject(refused);
        await expect(store.get(key, never)).rejects.toMatchObject(refused);
        await expect(store.delete(key, never)).rejects.toMatchObject(refused);
      },
    );

    it('does nothing for who has gone already', async () => {
      const gone = AbortSignal.abort(new Error('gone'));
      await expect(store.put('a/object', chunked(Buffer.from('x')), gone)).rejects.toThrow('gone');
      await expect(store.get('a/object', gone)).rejects.toThrow('gone');
      expect(await keysOf(store, '')).toEqual([]);
    });
  });
}
