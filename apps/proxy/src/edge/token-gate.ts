import type { MemberClaims } from '#libs/contracts';
import { type Clock, SystemClock } from '#libs/kernel';
import type { RouteTable, TokenKeys } from '#libs/routing';
import {
  CLOCK_SKEW_SECONDS,
  createMemberTokenVerifier,
  type MemberTokenVerifier,
  TokenExpired,
  TokenRevoked,
} from '#libs/tokens';
import { hash } from 'node:crypto';
import { LIMITS } from '../proxy.limits.js';

/**
 * Verifies member tokens with the keys of the route table. A signature is checked once per token; expiry and revocation
 * every time. The cache knows tokens by their SHA-256 only and is bounded; the oldest entry leaves first.
 */
export class TokenGate {
  readonly #known = new Map<string, MemberClaims>();
  #keys: TokenKeys | undefined;
  #verifier: MemberTokenVerifier | undefined;

  constructor(
    private readonly table: RouteTable,
    private readonly clock: Clock = new SystemClock(),
    private readonly capacity: number = LIMITS.tokenCache,
  ) {}

  get size(): number {
    return this.#known.size;
  }

  /**
   * The claims of a valid token; rejects with TokenExpired, TokenInvalid or TokenRevoked.
   * @param onRevoked told of a token that is genuine and current, but revoked.
   */
  async claimsOf(token: string, onRevoked?: (claims: MemberClaims) => void): Promise<MemberClaims> {
    const verifier = this.#current();
    const key = hash('sha256', token, 'base64');
    const now = this.clock.now();
    let claims = this.#known.get(key);
    if (!claims) {
      claims = await verifier.verify(token, now);
      // Keys may have changed while the signature was checked: such a result is good for this call, not for later ones.
      if (verifier === this.#verifier) this.#remember(key, claims);
    }
    if (claims.exp + CLOCK_SKEW_SECONDS <= now.getTime() / 1000) {
      this.#known.delete(key);
      throw new TokenExpired();
    }
    if (this.table.isRevoked(claims)) {
      onRevoked?.(claims);
      throw new TokenRevoked();
    }
    return claims;
  }

  #current(): MemberTokenVerifier {
    if (this.#verifier && this.#keys === this.table.keys) return this.#verifier;
    this.#keys = this.table.keys;
    // A token of a key that was withdrawn must not live on in the cache.
    this.#known.clear();
    this.#verifier = createMemberTokenVerifier(this.#keys.issuer, this.#keys.jwks);
    return this.#verifier;
  }

  #remember(key: string, claims: MemberClaims): void {
    if (this.#known.size >= this.capacity) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    this.#known.set(key, claims);
  }
}
