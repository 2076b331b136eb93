import { createHmac, timingSafeEqual } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { PlatformKeys } from '../secrets/platform-keys.js';

/** A line as it is hashed: exactly what the database gives back. */
export interface ChainedLine {
  readonly id: string;
  /** The tenant's id, or `platform`. */
  readonly chain: string;
  /** Position in the chain, from 1, without gaps. */
  readonly seq: bigint;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  /** JSON text. */
  readonly data: string;
  /** JSON text. */
  readonly origin: string;
  readonly requestId: string | null;
  /** ISO 8601 in UTC with milliseconds. */
  readonly at: string;
}

/** Where a chain ends. */
export interface ChainHead {
  readonly seq: bigint;
  readonly hash: Uint8Array;
}

export const PLATFORM_CHAIN = 'platform';
export const NO_HASH = Buffer.alloc(32);

export const chainOf = (tenantId: string | null): string => tenantId ?? PLATFORM_CHAIN;
export const tenantOf = (chain: string): string | null => (chain === PLATFORM_CHAIN ? null : chain);

/**
 * The arithmetic of the chain: HMAC-SHA-256 over the hash before and every field of a line in canonical JSON (RFC 8785),
 * and a seal over the head. Whoever can write to the database but has no key can neither forge a line nor a head.
 */
export class AuditChain {
  readonly #lineKey: Buffer;
  readonly #headKey: Buffer;

  constructor(keys: PlatformKeys) {
    this.#lineKey = keys.derive('audit-chain');
    this.#headKey = keys.derive('audit-head');
  }

  /** Throws a TypeError for JSON that would not come back from the database as it went in. */
  hash(previous: Uint8Array, line: ChainedLine): Buffer {
    const { id, chain, actor, action, resource, resourceId, requestId, at } = line;
    const json = { data: parseExact(line.data), origin: parseExact(line.origin) };
    const fields = { id, chain, seq: String(line.seq), actor, action, resource, resourceId, requestId, at, ...json };
    return createHmac('sha256', this.#lineKey).update(previous).update(canonicalize(fields)!).digest();
  }

  /** True when `hash` is what this line got when it was written behind `previous`. Never throws. */
  isGenuine(previous: Uint8Array, line: ChainedLine, hash: Uint8Array): boolean {
    try {
      return sameBytes(this.hash(previous, line), hash);
    } catch {
      return false; // content that no line can have was put there by somebody else
    }
  }

  seal(chain: string, head: ChainHead): Buffer {
    return createHmac('sha256', this.#headKey).update(`${chain}/${head.seq}/`).update(head.hash).digest();
  }

  isSealed(chain: string, head: ChainHead, seal: Uint8Array): boolean {
    return sameBytes(this.seal(chain, head), seal);
  }
}

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other);

/** A double carries 15 digits of any decimal; with more, a changed digit may parse to the same number. */
const MANY_DIGITS = /\d[\d.]{15}/;

/** JSON whose numbers all mean what JavaScript makes of them: no digit of the database's text goes unhashed. */
function parseExact(text: string): unknown {
  if (!MANY_DIGITS.test(text)) return JSON.parse(text);
  return JSON.parse(text, function check(this: unknown, _key: string, value: unknown, context?: { source?: string }) {
    if (typeof value === 'number' && decimalOf(context?.source ?? '') !== decimalOf(JSON.stringify(value)))
      throw new TypeError('an audit line with a number that is not a double');
    return value;
  });
}

/** One spelling for every way to write the same decimal number: sign, digits without zeros at the ends, exponent. */
function decimalOf(text: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!parts) return text;
  const [, sign, whole, fraction = '', exponent = '0'] = parts;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  if (kept === '') return '0';
  return `${sign}${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`;
}
