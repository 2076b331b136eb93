import { randomInt } from 'node:crypto';
import { randomSecret, sha256 } from './secrets.js';

const KEY_PATTERN = /^wb([to])_([0-9a-z]{8})_([\w-]{43})$/;
const PREFIX_ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

/** A key as it is made: the text is shown once, the prefix and the hash are kept. */
export interface MintedKey {
  readonly key: string;
  readonly prefix: string;
  readonly secretHash: string;
}

export function mintKey(kind: 'tenant' | 'operator'): MintedKey {
  const prefix = Array.from({ length: 8 }, () => PREFIX_ALPHABET[randomInt(PREFIX_ALPHABET.length)]).join('');
  const key = `wb${kind === 'operator' ? 'o' : 't'}_${prefix}_${randomSecret()}`;
  return { key, prefix, secretHash: sha256(key) };
}

export interface ParsedKey {
  readonly kind: 'tenant' | 'operator';
  readonly prefix: string;
  readonly secretHash: string;
}

/** Undefined for anything that does not look like a key of ours. */
export function parseKey(text: string | undefined): ParsedKey | undefined {
  const [whole, kind, prefix] = KEY_PATTERN.exec(text ?? '') ?? [];
  if (!whole || !prefix) return undefined;
  return { kind: kind === 'o' ? 'operator' : 'tenant', prefix, secretHash: sha256(whole) };
}
