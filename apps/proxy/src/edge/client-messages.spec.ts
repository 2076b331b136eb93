import { array, assert, integer, nat, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHAT_LIMITS } from '#libs/contracts';
import { type ClientBytes, clientFrame, ClientMessages, connectOf } from './client-messages.js';

interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  readonly mask: Buffer;
}

function encode({ fin, opcode, payload, mask }: Frame): Buffer {
  const { length } = payload;
  const head = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i & 3]!)]);
}

/** The stream in chunks of the given sizes, over and over. */
function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const run = (bytes: Buffer, sizes: readonly number[] = [bytes.length]): ClientBytes[] => {
  const messages = new ClientMessages();
  return [...cut(bytes, sizes)].flatMap((chunk) => [...messages.push(chunk)]);
};
const mask = Buffer.from([1, 2, 3, 4]);
const text = (value: string, over: Partial<Frame> = {}) =>
  encode({ fin: true, opcode: 1, payload: Buffer.from(value), mask, ...over });
const textsOf = (out: readonly ClientBytes[]) => out.flatMap((piece) => (piece.text === undefined ? [] : [piece.text]));
const bytesOf = (out: readonly ClientBytes[]) => Buffer.concat(out.map((piece) => piece.bytes));

describe('ClientMessages', () => {
  it('shows whole text messages and lets every byte through, however the stream is cut', () => {
    const message = array(record({ size: nat(300), split: nat(3) }), { minLength: 1, maxLength: 6 });
    assert(
      property(message, array(integer({ min: 1, max: 97 }), { minLength: 1 }), (messages, sizes) => {
        const texts = messages.map(({ size }, i) => String(i).repeat(size));
        const frames = messages.flatMap(({ split }, i) => {
          const payload = Buffer.from(texts[i]!);
          const step = Math.ceil(payload.length / (split + 1)) || 1;
          const parts = Array.from({ length: split + 1 }, (_, n) => payload.subarray(n * step, (n + 1) * step));
          const ping = encode({ fin: true, opcode: 9, payload: Buffer.from('p'), mask });
          return parts.flatMap((part, n) => [
            encode({ fin: n === split, opcode: n === 0 ? 1 : 0, payload: part, mask }),
            ping,
          ]);
        });
        const out = run(Buffer.concat(frames), sizes);
        expect(textsOf(out)).toEqual(texts);
        expect(bytesOf(out)).toHaveLength(Buffer.concat(frames).length);
      }),
    );
  });

  it('keeps nothing of a message back until it is whole, then passes it unchanged', () => {
    const frame = text('{"type":"connect"}');
    const messages = new ClientMessages();
    const before = [...messages.push(frame.subarray(0, -1))];
    expect(before).toEqual([]);
    const [piece] = [...messages.push(frame.subarray(-1))];
    expect(piece!.bytes.equals(frame)).toBe(true);
  });

  it('passes what is too long to be looked into as it comes, also when it adds up over frames', () => {
    const long = text('x'.repeat(CHAT_LIMITS.frameBeforeAuth + 1));
    expect(textsOf(run(long))).toEqual([]);
    expect(bytesOf(run(long, [1000])).equals(long)).toBe(true);
    const half = 'y'.repeat(CHAT_LIMITS.frameBeforeAuth / 2 + 1);
    const two = Buffer.concat([text(half, { fin: false }), text(half, { opcode: 0 })]);
    expect(textsOf(run(two, [777]))).toEqual([]);
    expect(bytesOf(run(two, [777])).equals(two)).toBe(true);
    const after = Buffer.concat([two, text('next')]);
    expect(textsOf(run(after, [333]))).toEqual(['next']);
    expect(textsOf(run(text('z'.repeat(CHAT_LIMITS.frameBeforeAuth))))).toHaveLength(1);
  });

  it('does not look into binary messages', () => {
    const binary = Buffer.concat([text('a', { opcode: 2, fin: false }), text('b', { opcode: 0 })]);
    expect(textsOf(run(binary, [1]))).toEqual([]);
    expect(bytesOf(run(binary, [1])).equals(binary)).toBe(true);
  });

  it('reads what it writes itself, at every length encoding', () => {
    for (const size of [0, 1, 125, 126, 65_535, 65_536])
      expect(textsOf(run(clientFrame('t'.repeat(size)), [4096]))).toEqual(['t'.repeat(size)]);
  });
});

describe('a connect frame', () => {
  it('is found by what JSON says, not by how it is spelled', () => {
    for (const spelled of [
      '{"type":"connect","id":"1","token":"t"}',
      '{"token":"t","type":"connect"}',
      String.raw`{"t\u0079pe":"conn\u0065ct","tok\u0065n":"\u0074"}`,
      '{"type":"message","type":"connect","token":"x","token":"t"}',
    ])
      expect(connectOf(spelled)?.token).toBe('t');
    for (const other of [
      '',
      'null',
      '[]',
      '"connect"',
      '{"type":"message","token":"t"}',
      '{"type":"connect"}',
      '{"type":"connect","token":1}',
    ])
      expect(connectOf(other)).toBeUndefined();
  });
});
