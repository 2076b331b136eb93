/** Longest token that is looked at, in characters. Ours have about 700; a membership site's may say more. */
export const LONGEST_TOKEN = 4_096;

/** A compact JWS that is written in the one way it can be written, with its decoded header. */
export interface CompactToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** One spelling per value: no padding, no spare bits in the last character. */
const isCanonical = (part: string): boolean => Buffer.from(part, 'base64url').toString('base64url') === part;

/** Fatal, because a decoder that replaces bad bytes makes two different tokens read the same. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, 'base64url')));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Takes a token apart without verifying anything; undefined when it is too long, not compact, not canonical base64url or
 * not JSON. Nothing of it may be trusted yet.
 */
export function readCompact(token: string): CompactToken | undefined {
  if (token.length > LONGEST_TOKEN || !COMPACT.test(token)) return undefined;
  const parts = token.split('.') as [string, string, string];
  if (!parts.every(isCanonical)) return undefined;
  const [header, payload] = [decode(parts[0]), decode(parts[1])];
  return header && payload ? { header, payload } : undefined;
}

/** True when the header has exactly these members, so that none can ask for a key, an extension or another reading. */
export const hasExactly = (header: Readonly<Record<string, unknown>>, names: readonly string[]): boolean =>
  Object.keys(header).length === names.length && names.every((name) => Object.hasOwn(header, name));
