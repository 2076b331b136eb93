import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ReadableStream } from 'node:stream/web';
import { BackupDamaged } from './errors.js';
import type { Bytes, Stage } from './stage.js';

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
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    yield* await encrypter.encrypt(webStream(source));
  };
}

/**
 * Every part of the file is authenticated before it comes out, and its end too: what was cut, changed or put in another
 * order fails with BackupDamaged. All identities are tried.
 */
export function decryptWith(identities: readonly string[]): Stage {
  return async function* decrypting(source) {
    const decrypter = new Decrypter();
    for (const identity of identities) decrypter.addIdentity(identity);
    let failure: unknown;
    const input = guarded(source, (error) => (failure = error));
    try {
      yield* await decrypter.decrypt(webStream(input));
    } catch (cause) {
      // What broke the source is the source's error; anything else is the file's.
      if (failure) throw failure;
      throw cause instanceof BackupDamaged ? cause : new BackupDamaged('it cannot be decrypted', { cause });
    }
  };
}

/** The library's types are the browser's. */
const webStream = (source: Bytes) => ReadableStream.from<Uint8Array>(source) as globalThis.ReadableStream<Uint8Array>;

const MAGIC = 'age-encryption.org/v1\n';
/** A header names one recipient in a few hundred bytes; the parser would read on for a line's end for ever. */
const MOST_HEADER = 16 * 1024;

async function* guarded(source: Bytes, failed: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  try {
    for await (const chunk of source) {
      if (!head) {
        yield chunk;
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < MOST_HEADER) continue;
      yield checkedHead(head);
      head = undefined;
    }
  } catch (error) {
    failed(error);
    throw error;
  }
  if (head) yield checkedHead(head);
}

function checkedHead(head: Buffer): Buffer {
  const start = head.subarray(0, MOST_HEADER);
  if (!start.toString('latin1', 0, MAGIC.length).startsWith(MAGIC) || !start.includes('\n--- '))
    throw new BackupDamaged('it is not an age file');
  return head;
}
