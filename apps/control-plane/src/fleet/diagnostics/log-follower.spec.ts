import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { Database } from '#libs/database';
import type { HostDrivers } from '../host-drivers.js';
import { LogFollower, MOST_FOLLOWERS } from './log-follower.js';
import { streamLog } from './log-stream.js';

const database = { once: () => Promise.resolve({ phase: 'ready', hostId: 'hst_1' }) } as unknown as Database;
const followerOf = (logs: () => Promise<string[]>): LogFollower =>
  new LogFollower(database, { of: () => Promise.resolve({ logs }) } as unknown as HostDrivers);
const open = (follower: LogFollower, gone: AbortController) => follower.follow('gw_1', 10, gone.signal);

describe('LogFollower', () => {
  it('has so many at a time and no more, also when they come at once', async () => {
    const follower = followerOf(() => Promise.resolve(['a line']));
    const gone = new AbortController();
    const all = await Promise.allSettled(Array.from({ length: MOST_FOLLOWERS * 3 }, () => open(follower, gone)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(MOST_FOLLOWERS);
  });

  it('has room again when readers have gone, also those that never read', async () => {
    const follower = followerOf(() => Promise.resolve(['a line']));
    const gone = new AbortController();
    for (let each = 0; each < MOST_FOLLOWERS; each += 1) await open(follower, gone);
    await expect(open(follower, new AbortController())).rejects.toMatchObject({ code: 'too-many-log-followers' });
    gone.abort();
    await expect(open(follower, new AbortController())).resolves.toBeDefined();
  });

  it('has room again when the host did not answer', async () => {
    let answer = (): Promise<string[]> => Promise.reject(new Error('away'));
    const follower = followerOf(() => answer());
    for (let each = 0; each < MOST_FOLLOWERS; each += 1)
      await expect(open(follower, new AbortController())).rejects.toThrow('away');
    answer = () => Promise.resolve([]);
    await expect(open(follower, new AbortController())).resolves.toBeDefined();
  });
});

describe('streamLog', () => {
  it('cuts a reader that takes nothing once its time is over', async () => {
    const over = new AbortController();
    async function* endless() {
      for (;;) yield { gap: false, lines: ['x'.repeat(1_000)] };
    }
    const raw = Object.assign(new PassThrough(), { writeHead: () => undefined, flushHeaders: () => undefined });
    const full = new Promise((resolve) => {
      const write = raw.write.bind(raw);
      raw.write = ((text: string) => {
        const more = write(text);
        if (!more) setImmediate(resolve);
        return more;
      }) as typeof raw.write;
    });
    const reply = { raw, hijack: () => undefined } as unknown as FastifyReply;
    const streaming = streamLog(reply, { events: endless(), over: over.signal });
    await full;
    over.abort();
    await streaming.catch(() => undefined);
    expect(raw.destroyed).toBe(true);
  });
});
