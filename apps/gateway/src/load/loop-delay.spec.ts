import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LIMITS } from '../limits.js';
import { LoopDelay } from './loop-delay.js';

const { loopSample: INTERVAL, loopKept: KEPT, loopLinger: LINGER } = LIMITS;

let now = 0;
let cpu = 0;
let delay: LoopDelay;
beforeEach(() => {
  vi.useFakeTimers();
  [now, cpu] = [1_000_000, 0];
  delay = new LoopDelay(
    () => now,
    () => cpu,
  );
});
afterEach(() => {
  delay.stop();
  vi.useRealTimers();
});

/** The next sample comes so late; `busy`: whether the processor worked meanwhile. */
const sampleLate = (late: number, busy = true) => {
  now += INTERVAL + late;
  if (busy) cpu += INTERVAL + late;
  delay.sample();
};
const work = (samples: number, late = 0) => {
  for (let i = 0; i < samples; i += 1) sampleLate(late);
};

describe("the event loop's delay", () => {
  it('is nothing while nothing happens, and wakes nobody then', () => {
    expect([delay.p99(), delay.isWatching, vi.getTimerCount()]).toEqual([0, false, 0]);
    delay.watch();
    delay.watch();
    expect(vi.getTimerCount()).toBe(1);
    now += LINGER;
    delay.sample();
    expect([delay.isWatching, vi.getTimerCount()]).toEqual([false, 0]);
  });

  it('is what all but one in a hundred stay below', () => {
    delay.watch();
    work(99, 3);
    sampleLate(40);
    expect(delay.p99()).toBe(3);
    sampleLate(40);
    expect(delay.p99()).toBe(40);
  });

  it('counts everybody who waited while the loop was held, not only the one timer that came late', () => {
    delay.watch();
    work(500, 0);
    sampleLate(2_000);
    expect(delay.p99()).toBeGreaterThan(1_500);
  });

  it('forgets what is older than a minute', () => {
    delay.watch();
    sampleLate(500);
    now += KEPT;
    expect(delay.p99()).toBe(0);
  });

  it('takes a freeze of the process for no delay, and a computation that long for one', () => {
    delay.watch();
    work(10, 1);
    sampleLate(3_600_000, false);
    work(10, 1);
    expect(delay.p99()).toBe(1);
    sampleLate(5_000, true);
    expect(delay.p99()).toBeGreaterThan(4_000);
  });
});
