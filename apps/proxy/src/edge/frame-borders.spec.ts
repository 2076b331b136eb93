import { describe, expect, it } from 'vitest';
import { FrameBorders } from './frame-borders.js';

/** A frame with a payload of that size; lengths in the shortest form, as the protocol demands. */
function frame(size: number, masked = false): Buffer {
  const mask = masked ? 0x80 : 0;
  const head =
    size < 126
      ? Buffer.from([0x82, mask | size])
      : size < 65_536
        ? Buffer.from([0x82, mask | 126, size >> 8, size & 0xff])
        : Buffer.concat([
            Buffer.from([0x82, mask | 127, 0, 0, 0, 0]),
            Buffer.from([size >>> 24, (size >> 16) & 0xff, (size >> 8) & 0xff, size & 0xff]),
          ]);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0, 1), Buffer.alloc(size, 0x88)]);
}

const SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000, 2, 0, 0];

describe('FrameBorders', () => {
  it.each([false, true])(
    'is between frames exactly where one ends, however the bytes are cut (masked %s)',
    (masked) => {
      const frames = SIZES.map((size) => frame(size, masked));
      const ends = new Set<number>();
      frames.reduce((at, one) => (ends.add(at + one.length), at + one.length), 0);
      const bytes = Buffer.concat(frames);
      for (const step of [1, 2, 3, 7, 1000, 65_536, bytes.length]) {
        const borders = new FrameBorders();
        const wrong: number[] = [];
        for (let at = 0; at < bytes.length; at += step) {
          const end = Math.min(at + step, bytes.length);
          expect(borders.pass(bytes.subarray(at, end))).toBe(end - at);
          if (borders.between !== ends.has(end)) wrong.push(end);
        }
        expect(wrong).toEqual([]);
      }
    },
  );

  it('stops at the end of the frame under way when asked to', () => {
    const borders = new FrameBorders();
    const bytes = Buffer.concat([frame(300), frame(5), frame(200)]);
    borders.pass(bytes.subarray(0, 100));
    expect(borders.pass(bytes.subarray(100), true)).toBe(frame(300).length - 100);
    expect(borders.between).toBe(true);
    expect(borders.pass(bytes.subarray(304), true)).toBe(0);
  });
});
