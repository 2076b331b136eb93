import { assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newLines } from './new-lines.js';

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}`);

describe('what was added to a log', () => {
  it('is everything after what was seen, however the window moved', () => {
    const upTo = (max: number, min = 0) => integer({ min, max });
    const holds = property(upTo(40, 1), upTo(20), (seen, added) => {
      const all = numbered(0, seen + added);
      const before = all.slice(Math.max(0, seen - 30), seen);
      expect(newLines(before, all.slice(-30))).toEqual({ gap: false, lines: all.slice(seen) });
    });
    assert(holds);
    expect.hasAssertions();
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
