import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { PlatformKeys } from '../../secrets/platform-keys.js';

const COUNT = 10;
/** Without letters that look like others. */
const ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz';
const GROUPS = 4;
const GROUP_LENGTH = 4;
/** Bytes from here on are thrown away, so that every letter is as likely. */
const FAIR = 256 - (256 % ALPHABET.length);

function randomText(length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of randomBytes(length))
      if (byte < FAIR && text.length < length) text += ALPHABET[byte % ALPHABET.length];
  return text;
}

/** Codes for who lost the authenticator app: 79 bits each, shown once, stored as a keyed hash of which a copy is no use. */
@Injectable()
export class RecoveryCodes {
  readonly #key: Buffer;

  constructor(keys: PlatformKeys) {
    this.#key = keys.derive('recovery-codes');
  }

  make(userId: string): { readonly codes: string[]; readonly hashes: string[] } {
    const codes = Array.from({ length: COUNT }, () =>
      Array.from({ length: GROUPS }, () => randomText(GROUP_LENGTH)).join('-'),
    );
    return { codes, hashes: codes.map((code) => this.hash(userId, code)) };
  }

  /** However it was typed: case, spaces and dashes do not matter. */
  hash(userId: string, code: string): string {
    const plain = code.toLowerCase().replace(/[\s-]/g, '');
    return createHmac('sha256', this.#key).update(`${userId}/${plain}`).digest('hex');
  }
}
