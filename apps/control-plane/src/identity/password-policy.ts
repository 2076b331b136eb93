import { COMMON_WORDS } from './common-passwords.js';
import { PasswordTooWeak } from './identity.errors.js';
import { normalizePassword } from './passwords.js';

export const PASSWORD_LENGTH = { minimum: 12, maximum: 256 } as const;
/** What must be left of a password without its common parts, each of which counts as two characters. */
const ENOUGH = 8;
const DIFFERENT = 5;

const LETTERS_OF: Record<string, string> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};
const plainLetters = (text: string): string => text.replace(/[013457@$!]/g, (character) => LETTERS_OF[character]!);
const byLength = (words: readonly string[]): string[] => [...new Set(words)].sort((a, b) => b.length - a.length);
const COMMON = byLength(COMMON_WORDS);

/** Parts of an e-mail address that somebody who knows it would try. */
const partsOf = (email: string): string[] =>
  [email, ...email.split(/[@.\-_+]/)].map((part) => part.toLowerCase()).filter((part) => part.length >= 3);

/** How many characters a guesser has to find who knows the common words and this address. */
function worth(password: string, known: readonly string[]): number {
  let rest = password;
  const found = new Set<string>();
  for (const word of known) {
    if (!rest.includes(word)) continue;
    found.add(word);
    rest = rest.replaceAll(word, ' ');
  }
  const left = rest
    .replace(/\s+/g, '')
    .replace(/(.)\1+/gu, '$1')
    .replace(/(?:19|20)\d\d/g, '#');
  return [...left].length + 2 * found.size;
}

/**
 * Why a password is refused; undefined when it will do. Length counts, and not being among the first that anybody would
 * try; no rules about kinds of characters. Source: NIST SP 800-63B, 5.1.1.2.
 */
export function passwordFault(password: string, email: string): string | undefined {
  const text = normalizePassword(password);
  const { length } = [...text];
  if (length < PASSWORD_LENGTH.minimum) return `it has fewer than ${PASSWORD_LENGTH.minimum} characters`;
  if (length > PASSWORD_LENGTH.maximum) return `it has more than ${PASSWORD_LENGTH.maximum} characters`;
  const lower = text.toLowerCase();
  if (new Set(lower).size < DIFFERENT) return 'it has too few different characters';
  const known = [...byLength(partsOf(email)), ...COMMON];
  const spellings = [lower, plainLetters(lower)];
  if (spellings.some((spelling) => worth(spelling, known) < ENOUGH))
    return 'it is made of your e-mail address or of what everybody tries first';
  return undefined;
}

/** Throws PasswordTooWeak. */
export function assertPassword(password: string, email: string): void {
  const fault = passwordFault(password, email);
  if (fault !== undefined) throw new PasswordTooWeak(fault);
}
