import { createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { decrypt, encrypt } from '../aead.js';
import type { WrappedKey } from './master-keys.js';

const derive = (bytes: Uint8Array, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', bytes, '', `wirebot/master-key/${purpose}`, 32));

/** A master key whose bytes are known to this process. */
export class LocalKey {
  /** Follows from the bytes, so that no two keys share a name and none can be given another's; says nothing about them. */
  readonly id: string;
  readonly bytes: Buffer;
  readonly #wrapping: KeyObject;

  /** @param bytes 32 of them. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    const fingerprint = createHash('sha256').update(derive(bytes, 'id')).digest('hex');
    this.id = `mk_${fingerprint.slice(0, 16)}`;
    this.#wrapping = createSecretKey(derive(bytes, 'wrap'));
  }

  wrap(plain: Buffer, context: string): WrappedKey {
    return { masterId: this.id, wrapped: Uint8Array.from(encrypt(this.#wrapping, plain, Buffer.from(context))) };
  }

  unwrap({ wrapped }: WrappedKey, context: string): Buffer {
    return decrypt(this.#wrapping, wrapped, Buffer.from(context));
  }
}
