import { RouteFrameInvalid } from './route-frame.js';

const NEWLINE = 10;

/** Cuts a byte stream into lines. Chunks of an unfinished line are kept unjoined, so a long line costs one copy. */
export class LineReader {
  #parts: Buffer[] = [];
  #size = 0;

  /** @param limit the longest line, in bytes. */
  constructor(private readonly limit: number) {}

  /** The lines this chunk finishes. Throws RouteFrameInvalid when a line is longer than the limit. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      lines.push(Buffer.concat(this.#parts, this.#size).toString('utf8'));
      this.#parts = [];
      this.#size = 0;
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > this.limit) throw new RouteFrameInvalid(`a line is longer than ${this.limit} bytes`);
    this.#parts.push(part);
  }
}
