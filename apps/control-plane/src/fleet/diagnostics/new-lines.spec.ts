import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newLines } from './new-lines.js';

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}`);

describe('what was added to a log', () => {
  it('is everything after what was seen, however the window moved', () => {
    const cases = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 20 }));
    const holds = ([seen, added]: [number, number]): boolean => {
      const all = numbered(0, seen + added);
      const { gap, lines } = newLines(all.slice(Math.max(0, seen - 30), seen), all.slice(-30));
      return !gap && lines.join() === all.slice(seen).join();
    };
    fc.assert(fc.property(cases, holds));
  });

  it('is everything, with a gap, when more was written than the window holds', () => {
    expect(newLines(numbered(0, 10), numbered(100, 110))).toEqual({ gap: true, lines: numbered(100, 110) });
  });

  it('is nothing when the same lines are all there is, also when they repeat', () => {
    const same = Array.from({ length: 20 }, () => 'tick');
    expect(newLines(same, same)).toEqual({ gap: false, lines: [] });
  });

  it('is everything of a log that was empty', () => {
    expect(newLines([], ['a'])).toEqual({ gap: false, lines: ['a'] });
  });
});
