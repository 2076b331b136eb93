import { hkdfSync } from 'node:crypto';

/**
 * Keys of the installation itself, one per purpose, derived from one root: nothing to store for each, and of no use for
 * anything but its purpose. The root stays the same when the master key is rotated. Source: RFC 5869 (HKDF with SHA-256).
 */
export class PlatformKeys {
  readonly #root: Buffer;

  /** @param root 32 bytes. */
  constructor(root: Buffer) {
    this.#root = root;
  }

  /** 32 bytes. */
  derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#root, '', `wirebot/${purpose}`, 32));
  }
}
