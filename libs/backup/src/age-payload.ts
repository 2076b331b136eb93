import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { BackupDamaged } from './errors.js';
import type { Bytes } from './stage.js';

/*
 * The payload of an age file (age-encryption.org/v1, "STREAM"): parts of 64 KiB under ChaCha20-Poly1305, numbered, the last one
 * marked. The library's own is the same in JavaScript, an eighth as fast, on the thread that answers requests; the header,
 * with everything about keys, is the library's. Tests compare both ways.
 */
const PART = 64 * 1024;
const TAG = 16;
const NONCE = 16;
const CIPHER = 'chacha20-poly1305';

const keyOf = (fileKey: Uint8Array, nonce: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));

/** Eleven bytes that count, one that says whether it is the last: no part can be moved, left out or taken for the end. */
function counter(): (last: boolean) => Buffer {
  let count = 0n;
  return (last) => {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(count, 3);
    nonce[11] = last ? 1 : 0;
    count += 1n;
    return nonce;
  };
}

/** What follows the header: a nonce of 16 bytes, then the parts. */
export async function* sealPayload(fileKey: Uint8Array, source: Bytes): AsyncGenerator<Uint8Array> {
  const nonce = randomBytes(NONCE);
  const key = keyOf(fileKey, nonce);
  const next = counter();
  yield nonce;
  for await (const { data, last } of inParts(source, PART)) {
    const cipher = createCipheriv(CIPHER, key, next(last), { authTagLength: TAG });
    yield Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Gives out nothing that is not authenticated. Throws BackupDamaged; what the source throws comes as it is. */
export async function* openPayload(fileKey: Uint8Array, source: Bytes): AsyncGenerator<Uint8Array> {
  const next = counter();
  let key: Buffer | undefined;
  let parts = 0;
  for await (const { data, last } of inParts(source, PART + TAG, NONCE)) {
    if (!key) {
      if (data.length < NONCE || last) throw new BackupDamaged('its end is missing');
      key = keyOf(fileKey, data);
      continue;
    }
    const plain = openPart(key, next(last), data);
    if (plain.length === 0 && parts > 0) throw new BackupDamaged('its last part is empty');
    parts += 1;
    yield plain;
  }
}

function openPart(key: Buffer, nonce: Buffer, data: Buffer): Buffer {
  if (data.length < TAG) throw new BackupDamaged('its end is missing');
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG });
  decipher.setAuthTag(data.subarray(-TAG));
  const plain = decipher.update(data.subarray(0, -TAG));
  try {
    decipher.final();
  } catch (cause) {
    throw new BackupDamaged('it is not what was encrypted', { cause });
  }
  return plain;
}

interface Part {
  readonly data: Buffer;
  readonly last: boolean;
}

/** In parts of `size` bytes, the first of `first`; only the last one may be shorter, and there is always a last one. */
async function* inParts(source: Bytes, size: number, first = size): AsyncGenerator<Part> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  let wanted = first;
  for await (const chunk of source) {
    waiting.push(chunk);
    length += chunk.length;
    if (length <= wanted) continue;
    let all = Buffer.concat(waiting);
    // A whole part is only known not to be the last once something follows it.
    while (all.length > wanted) {
      yield { data: all.subarray(0, wanted), last: false };
      all = all.subarray(wanted);
      wanted = size;
    }
    waiting = [all];
    length = all.length;
  }
  yield { data: Buffer.concat(waiting), last: true };
}
