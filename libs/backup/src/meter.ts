import { createHash } from 'node:crypto';
import { BackupDamaged } from './errors.js';
import type { Bytes, Stage } from './stage.js';

export interface Measured {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Counts and hashes what passes. With `expected`, the stream only ends well when it was exactly that. */
export class Meter {
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #digest: string | undefined;

  constructor(private readonly expected?: Measured) {}

  /** Once it has ended. */
  get measured(): Measured {
    this.#digest ??= this.#hash.digest('hex');
    return { bytes: this.#bytes, sha256: this.#digest };
  }

  async *pass(source: Bytes): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#bytes += chunk.length;
      this.#hash.update(chunk);
      if (this.expected && this.#bytes > this.expected.bytes) throw new BackupDamaged('it is longer than it was');
      yield chunk;
    }
    this.#compare();
  }

  #compare(): void {
    const { expected, measured } = this;
    if (!expected) return;
    if (measured.bytes < expected.bytes) throw new BackupDamaged('its end is missing');
    if (measured.sha256 !== expected.sha256) throw new BackupDamaged('its checksum differs');
  }
}

/** Lets at most `most` bytes through: what unpacks to more than that is nobody's backup. */
export const atMost = (most: number): Stage =>
  async function* bounding(source) {
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > most) throw new BackupDamaged('it unpacks to more than an agent may have');
      yield chunk;
    }
  };
