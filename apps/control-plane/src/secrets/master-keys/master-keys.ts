import { MasterKeyMissing } from '../secrets.errors.js';

/** A data key as it is stored: wrapped, and by which master key. */
export interface WrappedKey {
  readonly masterId: string;
  readonly wrapped: Uint8Array<ArrayBuffer>;
}

/** One place that holds master keys. Keys never leave it, except that local ones are in this process's memory. */
export interface MasterKeySource {
  /** Ids of the keys that are here now, the one that wraps first. For messages; may be a pattern. */
  ids(): Promise<readonly string[]>;
  wrap(plain: Buffer, context: string): Promise<WrappedKey>;
  /** Undefined: another source's key. Throws SealedUnreadable when the bytes or the context are not those of the wrapping. */
  unwrap(key: WrappedKey, context: string): Promise<Buffer | undefined>;
  /** The same data key under the newest master key, where the source can do that without showing it. */
  rewrap?(key: WrappedKey): Promise<WrappedKey | undefined>;
  /** Makes a new key the one that wraps; the one before can still unwrap. Throws when this source is rotated elsewhere. */
  rotate(): Promise<string>;
  /** The 32 bytes of the key that wraps, where they are at hand: what older installations derived everything from. */
  bytes?(): Promise<Buffer | undefined>;
}

/** Wraps data keys. `context` (`data-key/<id>`) must be the same at unwrapping, so that a wrapped key cannot take another's place. */
export abstract class MasterKeys {
  abstract currentId(): Promise<string>;
  abstract wrap(plain: Buffer, context: string): Promise<WrappedKey>;
  abstract unwrap(key: WrappedKey, context: string): Promise<Buffer>;
  /** Under the current master key from now on. */
  abstract rewrap(key: WrappedKey, context: string): Promise<WrappedKey>;
  abstract rotate(): Promise<string>;
  abstract localBytes(): Promise<Buffer | undefined>;
}

/** The configured source, which wraps, and others that can still unwrap: so the source itself can be changed without a stop. */
export class MasterKeyRing extends MasterKeys {
  readonly #current: MasterKeySource;
  readonly #sources: readonly MasterKeySource[];

  constructor(current: MasterKeySource, ...others: MasterKeySource[]) {
    super();
    this.#current = current;
    this.#sources = [current, ...others];
  }

  async currentId(): Promise<string> {
    return (await this.#current.ids())[0] ?? '';
  }

  async wrap(plain: Buffer, context: string): Promise<WrappedKey> {
    return this.#current.wrap(plain, context);
  }

  async unwrap(key: WrappedKey, context: string): Promise<Buffer> {
    for (const source of this.#sources) {
      const plain = await source.unwrap(key, context);
      if (plain) return plain;
    }
    throw new MasterKeyMissing(key.masterId, (await Promise.all(this.#sources.map((source) => source.ids()))).flat());
  }

  async rewrap(key: WrappedKey, context: string): Promise<WrappedKey> {
    const same = await this.#current.rewrap?.(key);
    if (same) return same;
    const plain = await this.unwrap(key, context);
    try {
      return await this.wrap(plain, context);
    } finally {
      plain.fill(0);
    }
  }

  async rotate(): Promise<string> {
    return this.#current.rotate();
  }

  async localBytes(): Promise<Buffer | undefined> {
    for (const source of this.#sources) {
      const bytes = await source.bytes?.();
      if (bytes) return bytes;
    }
    return undefined;
  }
}
