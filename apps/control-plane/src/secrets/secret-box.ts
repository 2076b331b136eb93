import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { SealedUnreadable } from './secrets.errors.js';

const VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + IV_BYTES + TAG_BYTES;

/**
 * How secrets were sealed before there were data keys, still able to open: AES-256-GCM under a key derived from the
 * installation's root. What is new goes to the Vault. `context` says what is sealed
 * (`signing-key/<kid>`) and must be the same when it is opened, so that a sealed value cannot be moved to another row.
 * Layout: version (1 byte), nonce (12), tag (16), ciphertext.
 */
export class SecretBox {
  static readonly VERSION = VERSION;
  readonly #key: Buffer;

  /** @param root 32 bytes. */
  constructor(root: Buffer) {
    this.#key = Buffer.from(hkdfSync('sha256', root, '', 'wirebot/secret-box', 32));
  }

  seal(plain: string | Uint8Array, context: string): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([Buffer.of(VERSION), iv, cipher.getAuthTag(), body]);
  }

  /** Throws SealedUnreadable when it was changed, sealed for another context or under another root. */
  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed);
    if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) throw new SealedUnreadable();
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(1, 1 + IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(1 + IV_BYTES, HEADER_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES)), decipher.final()]);
    } catch (cause) {
      throw new SealedUnreadable({ cause });
    }
  }
}
