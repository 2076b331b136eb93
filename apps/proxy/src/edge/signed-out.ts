import type { MemberClaims } from '#libs/contracts';

/** Sign-outs that the control plane may not have heard of yet; more than an outage brings. */
const MOST = 10_000;

/**
 * Tokens whose members have signed out here: they end at this proxy at once, whether or not the control plane could be told.
 * Bounded; the oldest leaves first, when the control plane has long spread the news.
 */
export class SignedOut {
  readonly #tokens = new Set<string>();

  add(claims: MemberClaims): void {
    const [oldest] = this.#tokens;
    if (this.#tokens.size >= MOST && oldest !== undefined) this.#tokens.delete(oldest);
    this.#tokens.add(keyOf(claims));
  }

  has(claims: MemberClaims): boolean {
    return this.#tokens.size > 0 && this.#tokens.has(keyOf(claims));
  }
}

const keyOf = ({ tid, jti }: MemberClaims): string => `${tid}/${jti}`;
