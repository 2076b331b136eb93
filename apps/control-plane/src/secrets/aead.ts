import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { SealedUnreadable } from './secrets.errors.js';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Bytes that encryption adds. */
export const AEAD_OVERHEAD = IV_BYTES + TAG_BYTES;

/** AES-256-GCM. Layout: nonce (12 bytes, random), tag (16), ciphertext. `bound` is authenticated and not stored. */
export function encrypt(key: KeyObject, plain: string | Uint8Array, bound: Uint8Array): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(bound);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

/** Throws SealedUnreadable when key, bytes or `bound` are not those of the encryption. */
export function decrypt(key: KeyObject, bytes: Uint8Array, bound: Uint8Array): Buffer {
  if (bytes.length < AEAD_OVERHEAD) throw new SealedUnreadable();
  try {
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(bound).setAuthTag(bytes.subarray(IV_BYTES, AEAD_OVERHEAD));
    return Buffer.concat([decipher.update(bytes.subarray(AEAD_OVERHEAD)), decipher.final()]);
  } catch (cause) {
    throw new SealedUnreadable({ cause });
  }
}
