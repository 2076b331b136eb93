import { ManualClock } from '#libs/kernel';
import { describe, expect, it } from 'vitest';
import { FailedAttempts } from './failed-attempts.js';

describe('failed attempts', () => {
  it('allows ten a minute and address, then says how long to wait', () => {
    const clock = new ManualClock();
    const attempts = new FailedAttempts(clock);
    for (let i = 0; i < 10; i += 1) expect(attempts.add('a')).toBeUndefined();
    clock.advance(20_000);
    expect(attempts.add('a')).toBe(40);
    expect(attempts.add('b')).toBeUndefined();
    clock.advance(40_000);
    expect(attempts.add('a')).toBeUndefined();
  });

  it('forgets the oldest address instead of growing without end', () => {
    const attempts = new FailedAttempts(new ManualClock());
    for (let i = 0; i < 10; i += 1) attempts.add('first');
    for (let i = 0; i < 10_000; i += 1) attempts.add(`other-${i}`);
    expect(attempts.add('first')).toBeUndefined();
  });
});
