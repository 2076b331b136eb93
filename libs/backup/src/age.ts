import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { openPayload, sealPayload } from './age-payload.js';
import { BackupDamaged } from './errors.js';
import type { Stage } from './stage.js';

/** Encrypts to `recipient`, decrypts with `identity` (`AGE-SECRET-KEY-1...`, secret). */
export interface AgeKeyPair {
  readonly recipient: string;
  readonly identity: string;
}

export async function createAgeKeyPair(): Promise<AgeKeyPair> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** age (age-encryption.org/v1): what comes out is an ordinary age file. */
export function encryptTo(recipient: string): Stage {
  return async function* encrypting(source) {
    const { header, fileKey } = await createHeader(recipient);
    yield header;
    yield* sealPayload(fileKey, source);
  };
}

/**
 * Every part of the file is authenticated before it comes out, and its end too: what was cut, changed or put in another
 * order fails with BackupDamaged. All identities are tried.
 */
export function decryptWith(identities: readonly string[]): Stage {
  return async function* decrypting(source) {
    const input = source[Symbol.asyncIterator]();
    try {
      const { header, rest } = await readHeader(input);
      const fileKey = await openHeader(header, identities);
      yield* openPayload(fileKey, following(rest, input));
    } finally {
      // Whoever stops early lets go of the source too.
      await input.return?.();
    }
  };
}

/** What an empty file has after its header: the payload's nonce, and the tag of its one part. */
const EMPTY_PAYLOAD = 32;

/** A new file key, wrapped for the recipient and authenticated by the library. */
async function createHeader(recipient: string): Promise<{ header: Uint8Array; fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  let fileKey: Uint8Array | undefined;
  // Adds nothing to the header; it is told the key that the header is for.
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = Uint8Array.from(key);
      return [];
    },
  });
  const file = await encrypter.encrypt(new Uint8Array());
  return { header: file.subarray(0, -EMPTY_PAYLOAD), fileKey: fileKey! };
}

async function openHeader(header: Uint8Array, identities: readonly string[]): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header);
  } catch (cause) {
    throw new BackupDamaged('it cannot be decrypted', { cause });
  }
}

const MAGIC = 'age-encryption.org/v1\n';
/** A header names one recipient in a few hundred bytes; what goes on for longer is none. */
const MOST_HEADER = 16 * 1024;

/** Up to the end of the line that begins with `---`, which the payload follows. */
async function readHeader(input: AsyncIterator<Uint8Array>): Promise<{ header: Buffer; rest: Buffer }> {
  let head = Buffer.alloc(0);
  for (;;) {
    const mark = head.indexOf('\n--- ');
    const end = mark === -1 ? -1 : head.indexOf('\n', mark + 1);
    if (end !== -1 && head.toString('latin1', 0, MAGIC.length) === MAGIC)
      return { header: head.subarray(0, end + 1), rest: head.subarray(end + 1) };
    const next = head.length > MOST_HEADER ? undefined : await input.next();
    if (!next || next.done) throw new BackupDamaged('it is not an age file');
    head = Buffer.concat([head, next.value]);
  }
}

async function* following(rest: Uint8Array, input: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield rest;
  for (let next = await input.next(); !next.done; next = await input.next()) yield next.value;
}
