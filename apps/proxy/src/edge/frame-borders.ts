/**
 * Follows the frames in one direction of a WebSocket without touching them, so that a close frame of our own is written
 * between two frames and never into one.
 */
export class FrameBorders {
  /** Bytes of the current frame's payload still to come. */
  #payload = 0;
  /** Bytes of the current frame's header seen so far: at most 14. */
  readonly #header = Buffer.alloc(14);
  #seen = 0;

  /** True when everything up to here is whole frames. */
  get between(): boolean {
    return this.#payload === 0 && this.#seen === 0;
  }

  /**
   * Passes over the chunk. With `stop`, returns how many bytes finish the current frame (at most the chunk's length) and
   * goes no further; else the chunk's length.
   */
  pass(chunk: Buffer, stop = false): number {
    let at = 0;
    while (at < chunk.length) {
      if (stop && this.between) break;
      if (this.#payload > 0) {
        const part = Math.min(this.#payload, chunk.length - at);
        this.#payload -= part;
        at += part;
        continue;
      }
      this.#header[this.#seen] = chunk[at]!;
      this.#seen += 1;
      at += 1;
      const size = this.#headerSize();
      if (this.#seen === size) {
        this.#payload = this.#payloadSize();
        this.#seen = 0;
      }
    }
    return at;
  }

  #headerSize(): number {
    if (this.#seen < 2) return 2;
    const length = this.#header[1]! & 0x7f;
    const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
    return 2 + extended + (this.#header[1]! & 0x80 ? 4 : 0);
  }

  #payloadSize(): number {
    const length = this.#header[1]! & 0x7f;
    if (length < 126) return length;
    return length === 126 ? this.#header.readUInt16BE(2) : Number(this.#header.readBigUInt64BE(2));
  }
}
