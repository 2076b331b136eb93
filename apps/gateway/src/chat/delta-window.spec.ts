import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeltaWindow } from './delta-window.js';

describe('the delta window', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const make = () => {
    const sent: string[] = [];
    return { sent, window: new DeltaWindow(25, (delta) => void sent.push(delta)) };
  };

  it('sends the first delta at once and joins those that follow within the window', () => {
    const { sent, window } = make();
    window.push('a');
    expect(sent).toEqual(['a']);
    window.push('b');
    window.push('c');
    expect(sent).toEqual(['a']);
    vi.advanceTimersByTime(25);
    expect(sent).toEqual(['a', 'bc']);
  });

  it('never holds a delta back after a pause', () => {
    const { sent, window } = make();
    window.push('a');
    vi.advanceTimersByTime(60);
    window.push('b');
    expect(sent).toEqual(['a', 'b']);
  });

  it('flushes what waits, once', () => {
    const { sent, window } = make();
    window.push('a');
    window.push('b');
    window.flush();
    vi.advanceTimersByTime(100);
    expect(sent).toEqual(['a', 'b']);
  });

  it('sends nothing after drop', () => {
    const { sent, window } = make();
    window.push('a');
    window.push('b');
    window.drop();
    vi.advanceTimersByTime(100);
    expect(sent).toEqual(['a']);
  });
});
