import { expect, it } from 'vitest';
import { linesOf } from './engine-logs.js';

const frame = (stream: number, text: string): Buffer => {
  const body = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
};

it('joins frames of both streams, also where a character lies across two', () => {
  const [first, second] = [Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1)];
  const split = [frame(1, 'a').subarray(0, 8), Buffer.from('a')];
  const halves = [first, second].map((half) => Buffer.concat([frame(1, 'x').subarray(0, 8), half]));
  expect(linesOf(Buffer.concat([...split, frame(2, '\nb'), ...halves, frame(1, '\n')]))).toEqual(['a', 'bü']);
});

it('has no line for no output, and leaves a torn frame out', () => {
  expect(linesOf(Buffer.alloc(0))).toEqual([]);
  expect(linesOf(Buffer.concat([frame(1, 'whole\n'), Buffer.from([1, 0, 0])]))).toEqual(['whole']);
});
