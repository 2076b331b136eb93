import { describe, expect, it } from 'vitest';
import { pressureMessage, pressureOf } from './disk-pressure.js';

describe('the pressure on an agent’s disk quota', () => {
  it.each([
    [89, false, 'none'],
    [90, false, 'high'],
    [86, true, 'high'],
    [84, true, 'none'],
    [100, false, 'full'],
    [250, true, 'full'],
  ] as const)('%i %% used, told before: %s -> %s', (used, before, pressure) => {
    expect(pressureOf(used, 100, before)).toBe(pressure);
  });

  it('is none without a limit, and none before it was measured', () => {
    expect(pressureOf(1e12, null, true)).toBe('none');
    expect(pressureOf(null, 100, true)).toBe('none');
  });

  it('says how much of what, and what follows', () => {
    const mb = 1024 * 1024;
    expect(pressureMessage('high', 470 * mb, 512 * mb)).toBe(
      'The agent keeps 470 MiB of the 512 MiB that its tier allows. When that is reached it takes no new messages.',
    );
  });
});
