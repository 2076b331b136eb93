import { describe, expect, it } from 'vitest';
import { RunningClock } from './running-clock.js';

describe('time that a process ran', () => {
  it('goes on between ticks, and a freeze counts for two of them at most', () => {
    let at = 5_000;
    const clock = new RunningClock(1_000, () => at);
    const ran = () => clock.now().getTime();
    expect(ran()).toBe(0);
    at += 900;
    expect(ran()).toBe(900);
    at += 100;
    clock.tick();
    at += 86_400_000;
    expect(ran()).toBe(3_000);
    clock.tick();
    at += 500;
    expect(ran()).toBe(3_500);
  });
});
