import { describe, expect, it } from 'vitest';
import { dayName } from './sidebar.js';

describe('dayName', () => {
  const now = new Date(2026, 10, 20, 0, 30);

  it.each([
    [new Date(2026, 10, 20, 0, 10), 'Today'],
    [new Date(2026, 10, 19, 23, 50), 'Yesterday'],
    [new Date(2026, 10, 15, 12, 0), 'This week'],
    [new Date(2026, 10, 21, 1, 0), 'Today'],
  ])('counts calendar days, not hours: %s', (then, name) => {
    expect(dayName(then, now)).toBe(name);
  });

  it('names the month of older ones', () => {
    expect(dayName(new Date(2026, 8, 1), now)).toContain('2026');
  });
});
