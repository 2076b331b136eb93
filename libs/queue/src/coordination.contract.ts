import { delay } from '#libs/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Coordination } from './coordination.js';
import { NoticeTooLarge } from './errors.js';

const until = async (condition: () => boolean, withinMs = 5_000): Promise<void> => {
  const end = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error('the condition did not come true in time');
    await delay(5);
  }
};

interface Harness {
  /** Connects to the same store each time; `errors` collects what was reported. */
  readonly connect: (errors: unknown[]) => Promise<Coordination>;
  /** Cuts every subscriber connection from the store's side. */
  readonly cutSubscribers: () => Promise<void>;
  /** Cuts every connection there is, as a restart of the store does. */
  readonly cutAll: () => Promise<void>;
  /** Deletes everything the store holds. */
  readonly flush: () => Promise<void>;
  readonly drop: () => Promise<void>;
}

/** What both stores promise. */
export function describeCoordination(name: string, prepare: () => Promise<Harness>): void {
  describe(`${name} as coordination`, () => {
    let harness: Harness;
    let a: Coordination;
    let b: Coordination;
    const errors: unknown[] = [];
    const stop: AbortController[] = [];
    const stopper = () => {
      const controller = new AbortController();
      stop.push(controller);
      return controller;
    };

    beforeEach(async () => {
      harness = await prepare();
      errors.length = 0;
      [a, b] = await Promise.all([harness.connect(errors), harness.connect(errors)]);
    });
    afterEach(async () => {
      for (const controller of stop.splice(0)) controller.abort();
      await Promise.all([a.close(), b.close()]);
      await harness.drop();
    });

    it('answers a ping', async () => {
      await expect(a.ping()).resolves.toBeUndefined();
    });

    describe('notices', () => {
      it('reach every subscriber of that channel in every process, and nobody else', async () => {
        const heard: string[] = [];
        await a.notifier.subscribe('routes', (payload) => heard.push(`a:${payload}`));
        await b.notifier.subscribe('routes', (payload) => heard.push(`b:${payload}`));
        await b.notifier.subscribe('outbox', (payload) => heard.push(`other:${payload}`));
        await a.notifier.publish('routes', 'ten_1');
        await until(() => heard.length >= 2);
        expect(heard.toSorted()).toEqual(['a:ten_1', 'b:ten_1']);
      });

      it('stop after unsubscribing, for that subscriber alone', async () => {
        const heard: string[] = [];
        const leave = await b.notifier.subscribe('routes', () => heard.push('left'));
        await b.notifier.subscribe('routes', () => heard.push('stayed'));
        await leave();
        await a.notifier.publish('routes', 'x');
        await until(() => heard.length > 0);
        expect(heard).toEqual(['stayed']);
      });

      it('can be left after everything was closed', async () => {
        const c = await harness.connect(errors);
        const leave = await c.notifier.subscribe('routes', () => undefined);
        await c.close();
        await expect(leave()).resolves.toBeUndefined();
      });

      it('are refused when they are too large for the smallest store', async () => {
        await expect(a.notifier.publish('routes', 'é'.repeat(4_000))).rejects.toBeInstanceOf(NoticeTooLarge);
      });

      it('flow again after a lost connection, and the subscriber is told of the gap', async () => {
        const heard: string[] = [];
        await b.notifier.subscribe(
          'routes',
          (payload) => heard.push(payload),
          () => heard.push('gap'),
        );
        await harness.cutSubscribers();
        await until(() => heard.includes('gap'), 10_000);
        await a.notifier.publish('routes', 'after');
        await until(() => heard.includes('after'));
        expect(heard).toEqual(['gap', 'after']);
      });

      it('still reach the others when one subscriber throws', async () => {
        const heard: string[] = [];
        await b.notifier.subscribe('routes', () => {
          throw new Error('broken subscriber');
        });
        await b.notifier.subscribe('routes', (payload) => heard.push(payload));
        await a.notifier.publish('routes', 'x');
        await until(() => heard.length === 1);
        expect(errors).toHaveLength(1);
      });
    });

    describe('wakes', () => {
      it('run once in one of the processes', async () => {
        const runs: string[] = [];
        const { signal } = stopper();
        for (const side of [a, b])
          void side.wakes.consume(
            async (wake) => void runs.push(`${wake.kind}:${wake.id}`),
            { concurrency: 2 },
            signal,
          );
        await a.wakes.wake('agent', 'agt_1');
        await a.wakes.wake('gateway', 'gw_1');
        await until(() => runs.length >= 2);
        await delay(150);
        expect(runs.toSorted()).toEqual(['agent:agt_1', 'gateway:gw_1']);
      });

      it('of a herd become one run', async () => {
        await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? a : b).wakes.wake('agent', 'agt_herd')));
        let runs = 0;
        void a.wakes.consume(async () => void (runs += 1), { concurrency: 10 }, stopper().signal);
        await until(() => runs > 0);
        await delay(200);
        expect(runs).toBe(1);
      });

      it('during a run lead to exactly one more run, after it', async () => {
        const log: string[] = [];
        let release: () => void = () => undefined;
        const gate = new Promise<void>((resolve) => (release = resolve));
        void b.wakes.consume(
          async () => {
            log.push('start');
            if (log.length === 1) await gate;
            log.push('end');
          },
          { concurrency: 10 },
          stopper().signal,
        );
        await a.wakes.wake('agent', 'agt_busy');
        await until(() => log.length === 1);
        await Promise.all(Array.from({ length: 5 }, () => a.wakes.wake('agent', 'agt_busy')));
        await delay(100);
        expect(log).toEqual(['start']);
        release();
        await until(() => log.length === 4);
        await delay(200);
        expect(log).toEqual(['start', 'end', 'start', 'end']);
      });

      it('that are delayed come when due, and do not hold back an immediate one', async () => {
        const at: number[] = [];
        const began = Date.now();
        void b.wakes.consume(async () => void at.push(Date.now() - began), { concurrency: 2 }, stopper().signal);
        await delay(50);
        await a.wakes.wake('agent', 'agt_later', 900);
        await a.wakes.wake('agent', 'agt_later');
        await until(() => at.length === 2);
        expect(at[0]).toBeLessThan(700);
        expect(at[1]).toBeGreaterThanOrEqual(900);
        expect(at[1]).toBeLessThan(2_500);
      });

      it('of an earlier time win over a later one', async () => {
        const at: number[] = [];
        void b.wakes.consume(async () => void at.push(Date.now()), { concurrency: 2 }, stopper().signal);
        await a.wakes.wake('agent', 'agt_two', 60_000);
        const began = Date.now();
        await a.wakes.wake('agent', 'agt_two', 300);
        await until(() => at.length === 1);
        expect(at[0]! - began).toBeLessThan(2_000);
      });

      it('survive a handler that throws', async () => {
        const runs: string[] = [];
        void b.wakes.consume(
          async ({ id }) => {
            runs.push(id);
            if (runs.length === 1) throw new Error('handler failed');
          },
          { concurrency: 1 },
          stopper().signal,
        );
        await a.wakes.wake('agent', 'agt_bad');
        await until(() => runs.length === 1 && errors.length === 1);
        await a.wakes.wake('agent', 'agt_bad');
        await until(() => runs.length === 2);
        expect(runs).toEqual(['agt_bad', 'agt_bad']);
      });

      it('reach the same consumer again after the store was restarted', async () => {
        const runs: string[] = [];
        void b.wakes.consume(async ({ id }) => void runs.push(id), { concurrency: 2 }, stopper().signal);
        await a.wakes.wake('agent', 'agt_before');
        await until(() => runs.includes('agt_before'));
        await harness.cutAll();
        // The first wakes may find dead connections and get lost: that is what callers poll for.
        for (let i = 0; i < 100 && !runs.includes('agt_after'); i += 1) {
          await a.wakes.wake('agent', 'agt_after');
          await delay(100);
        }
        expect(runs).toContain('agt_after');
        await expect(b.counters.consume('after restart', 1, 60)).resolves.toMatchObject({ allowed: true });
      });

      it('can be consumed again after everything was flushed', async () => {
        await a.wakes.wake('agent', 'agt_lost');
        await harness.flush();
        const runs: string[] = [];
        void b.wakes.consume(async ({ id }) => void runs.push(id), { concurrency: 1 }, stopper().signal);
        await a.wakes.wake('agent', 'agt_new');
        await until(() => runs.includes('agt_new'));
        expect(runs).toEqual(['agt_new']);
      });

      it('hand the handler a signal and end with it', async () => {
        const controller = stopper();
        let aborted = false;
        const consumed = b.wakes.consume(
          async (_wake, signal) => {
            await delay(60_000, signal).catch(() => (aborted = true));
          },
          { concurrency: 1 },
          controller.signal,
        );
        await a.wakes.wake('agent', 'agt_stop');
        await delay(300);
        controller.abort();
        await consumed;
        expect(aborted).toBe(true);
      });

      it('reach a waiting handler fast', async () => {
        const arrived = new Map<string, number>();
        void b.wakes.consume(
          async ({ id }) => void arrived.set(id, performance.now()),
          { concurrency: 4 },
          stopper().signal,
        );
        await delay(300);
        const latencies: number[] = [];
        for (let i = 0; i < 40; i += 1) {
          const id = `agt_${i}`;
          const sent = performance.now();
          await a.wakes.wake('agent', id);
          await until(() => arrived.has(id));
          latencies.push(arrived.get(id)! - sent);
          await delay(20);
        }
        latencies.sort((x, y) => x - y);
        const [median, p95] = [latencies[20]!, latencies[38]!];
        process.stdout.write(`${name}: wake to handler median ${median.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms\n`);
        // Generous for a shared machine; a polling fallback would take seconds.
        expect(median).toBeLessThan(100);
      });
    });

    describe('counters', () => {
      it('allow exactly the limit under 200 parallel calls from two processes', async () => {
        const calls = Array.from({ length: 200 }, (_, i) => (i % 2 ? a : b).counters.consume('key_1', 60, 60));
        const results = await Promise.all(calls);
        expect(results.filter((result) => result.allowed)).toHaveLength(60);
        expect(new Set(results.filter((r) => r.allowed).map((r) => r.remaining)).size).toBe(60);
        expect(results.every((result) => result.resetSeconds >= 1 && result.resetSeconds <= 60)).toBe(true);
      });

      it('count keys and windows apart', async () => {
        await a.counters.consume('one', 1, 60);
        expect((await a.counters.consume('one', 1, 60)).allowed).toBe(false);
        expect((await a.counters.consume('two', 1, 60)).allowed).toBe(true);
        expect((await a.counters.consume('one', 1, 30)).allowed).toBe(true);
      });

      it('start over when the window ends', async () => {
        await a.counters.consume('short', 1, 1);
        expect((await a.counters.consume('short', 1, 1)).allowed).toBe(false);
        await delay(1_100);
        expect((await a.counters.consume('short', 1, 1)).allowed).toBe(true);
      });

      it('take keys of any length', async () => {
        const long = 'k'.repeat(1_000);
        expect((await a.counters.consume(long, 1, 60)).allowed).toBe(true);
        expect((await b.counters.consume(long, 1, 60)).allowed).toBe(false);
        expect((await b.counters.consume(`${long}x`, 1, 60)).allowed).toBe(true);
      });
    });
  });
}
