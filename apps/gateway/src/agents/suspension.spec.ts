import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Suspension } from './suspension.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the agreement to sleep', () => {
  it('ends by itself after thirty seconds of running', () => {
    const ended = vi.fn<() => void>();
    const suspension = new Suspension(ended);
    suspension.begin();
    vi.advanceTimersByTime(29_000);
    expect([suspension.isActive, ended.mock.calls.length]).toEqual([true, 0]);
    vi.advanceTimersByTime(1_000);
    expect([suspension.isActive, ended.mock.calls.length, vi.getTimerCount()]).toEqual([false, 1, 0]);
  });

  it('begins its time again when it is asked again, and ends once when it is told to', () => {
    const ended = vi.fn<() => void>();
    const suspension = new Suspension(ended);
    suspension.begin();
    vi.advanceTimersByTime(20_000);
    suspension.begin();
    vi.advanceTimersByTime(20_000);
    expect(suspension.isActive).toBe(true);
    suspension.end();
    suspension.end();
    expect([suspension.isActive, ended.mock.calls.length, vi.getTimerCount()]).toEqual([false, 1, 0]);
  });

  it('does not count the time of a freeze, in which no timer fires', () => {
    const ended = vi.fn<() => void>();
    const suspension = new Suspension(ended);
    suspension.begin();
    vi.advanceTimersByTime(5_000);
    vi.setSystemTime(Date.now() + 86_400_000);
    vi.advanceTimersByTime(24_000);
    expect(suspension.isActive).toBe(true);
    vi.advanceTimersByTime(1_000);
    expect(suspension.isActive).toBe(false);
  });
});
