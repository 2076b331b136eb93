import { CHAT_LIMITS } from '#libs/contracts';

/** A `connect` frame is not longer than this (the gateway refuses a longer one), so nothing longer has to be looked into. */
const LOOKED_INTO = CHAT_LIMITS.frameBeforeAuth;
const TEXT = 1;
/** Opcodes from here on are control frames, which may come between the frames of a message. */
const CONTROL = 8;

export interface ClientBytes {
  /** Goes on unread. */
  readonly bytes: Buffer;
  /** What the bytes say, when they are a whole text message of a size that is looked into. */
  readonly text?: string;
}

/**
 * Follows the frames that a client sends, so that a text message of moderate size is seen whole before any of it goes on.
 * Longer messages, binary ones and control frames pass as they come. Source: RFC 6455, section 5.2.
 */
export class ClientMessages {
  readonly #header = Buffer.allocUnsafe(14);
  #seen = 0;
  #payload = 0;
  /** The message that is kept back until it is whole; undefined: what comes passes. */
  #held: { readonly raw: Buffer[]; readonly parts: Buffer[]; size: number } | undefined;
  /** Of the current frame. */
  #isControl = false;
  #isLast = false;
  #mask: Buffer | undefined;
  #at = 0;

  /** What the chunk lets go of, in order. */
  *push(chunk: Buffer): Generator<ClientBytes> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payload === 0) {
        at = this.#takeHeader(chunk, at);
        const size = this.#headerSize();
        if (this.#seen < size) return;
        yield* this.#begin(Buffer.from(this.#header.subarray(0, size)));
        if (this.#payload > 0) continue;
      } else {
        const part = chunk.subarray(at, at + Math.min(this.#payload, chunk.length - at));
        at += part.length;
        this.#payload -= part.length;
        yield* this.#take(part);
      }
      if (this.#payload === 0) yield* this.#end();
    }
  }

  #takeHeader(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length && this.#seen < this.#headerSize()) {
      this.#header[this.#seen] = chunk[at]!;
      this.#seen += 1;
      at += 1;
    }
    return at;
  }

  *#begin(header: Buffer): Generator<ClientBytes> {
    this.#seen = 0;
    this.#payload = payloadSize(header);
    const opcode = header[0]! & 0x0f;
    this.#isControl = opcode >= CONTROL;
    this.#isLast = (header[0]! & 0x80) !== 0;
    if (this.#isControl) return yield { bytes: header };
    if (opcode === TEXT) this.#held = { raw: [], parts: [], size: 0 };
    else if (opcode !== 0) this.#held = undefined;
    if (!this.#held) return yield { bytes: header };
    this.#held.raw.push(header);
    this.#held.size += this.#payload;
    this.#mask = header[1]! & 0x80 ? header.subarray(-4) : undefined;
    this.#at = 0;
    if (this.#held.size > LOOKED_INTO) yield* this.#release();
  }

  *#take(part: Buffer): Generator<ClientBytes> {
    if (this.#isControl || !this.#held) return yield { bytes: part };
    this.#held.raw.push(part);
    this.#held.parts.push(this.#unmasked(part));
  }

  *#end(): Generator<ClientBytes> {
    if (this.#isControl || !this.#isLast || !this.#held) return;
    const { raw, parts } = this.#held;
    this.#held = undefined;
    yield { bytes: Buffer.concat(raw), text: Buffer.concat(parts).toString('utf8') };
  }

  *#release(): Generator<ClientBytes> {
    const { raw } = this.#held!;
    this.#held = undefined;
    yield { bytes: Buffer.concat(raw) };
  }

  #unmasked(part: Buffer): Buffer {
    const plain = Buffer.from(part);
    if (this.#mask) for (let i = 0; i < plain.length; i += 1) plain[i]! ^= this.#mask[(this.#at + i) & 3]!;
    this.#at += part.length;
    return plain;
  }

  #headerSize(): number {
    if (this.#seen < 2) return 2;
    const length = this.#header[1]! & 0x7f;
    const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
    return 2 + extended + (this.#header[1]! & 0x80 ? 4 : 0);
  }
}

function payloadSize(header: Buffer): number {
  const length = header[1]! & 0x7f;
  if (length < 126) return length;
  return length === 126 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2));
}

/** A text message of the client's as one frame. The mask must be there and may be zero: nobody in between caches it. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x80 | TEXT;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** The frame as the gateway will read it, when it is a `connect` that brings a token. */
export function connectOf(text: string): (Record<string, unknown> & { readonly token: string }) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // the gateway says what is wrong with it
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const frame = value as Record<string, unknown>;
  return frame['type'] === 'connect' && typeof frame['token'] === 'string'
    ? (frame as Record<string, unknown> & { token: string })
    : undefined;
}
