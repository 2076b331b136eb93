import type { MemberClaims } from '#libs/contracts';
import { type Clock, type DomainError, SystemClock } from '#libs/kernel';
import type { RouteTable, TokenKeys } from '#libs/routing';
import {
  CLOCK_SKEW_SECONDS,
  createMemberTokenVerifier,
  keyIdOf,
  type MemberTokenVerifier,
  TokenExpired,
  TokenInvalid,
  TokenRevoked,
} from '#libs/tokens';
import { hash } from 'node:crypto';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS } from '../proxy.limits.js';
import { SignedOut } from './signed-out.js';

/** What a verified token gives, for as long as it does. */
export interface Grant {
  readonly claims: MemberClaims;
  /** The key it was signed with. */
  readonly kid: string;
}

/** When a token is of no more use to anybody, in seconds. */
export const endOf = ({ exp }: MemberClaims): number => exp + CLOCK_SKEW_SECONDS;

/**
 * Verifies member tokens with the keys of the route table. A signature is checked once per token; expiry and revocation
 * every time. The cache knows tokens by their SHA-256 only and is bounded; the oldest entry leaves first.
 */
export class TokenGate {
  readonly #known = new Map<string, Grant>();
  #keys: TokenKeys | undefined;
  #verifier: MemberTokenVerifier | undefined;

  constructor(
    private readonly table: RouteTable,
    private readonly clock: Clock = new SystemClock(),
    private readonly capacity: number = LIMITS.tokenCache,
    private readonly signedOut: SignedOut = new SignedOut(),
  ) {}

  get size(): number {
    return this.#known.size;
  }

  /** The claims of a valid token; the same as `grantOf` without the key. */
  async claimsOf(token: string, onRevoked?: (claims: MemberClaims) => void): Promise<MemberClaims> {
    return (await this.grantOf(token, onRevoked)).claims;
  }

  /**
   * What a valid token gives; rejects with TokenExpired, TokenInvalid or TokenRevoked.
   * @param onRevoked told of a token that is genuine and current, but revoked.
   */
  async grantOf(token: string, onRevoked?: (claims: MemberClaims) => void): Promise<Grant> {
    const verifier = this.#current();
    const key = hash('sha256', token, 'base64');
    let grant = this.#known.get(key);
    if (!grant) {
      const claims = await verifier.verify(token, this.clock.now());
      grant = { claims, kid: keyIdOf(token) ?? '' };
      // Keys may have changed while the signature was checked: such a result is good for this call, not for later ones.
      if (verifier === this.#verifier) this.#remember(key, grant);
    }
    const fault = this.#tokenFault(grant.claims);
    if (fault instanceof TokenExpired) this.#known.delete(key);
    if (fault instanceof TokenRevoked) onRevoked?.(grant.claims);
    if (fault) throw fault;
    return grant;
  }

  /** Why something that was given is given no more; undefined while it is. For connections that stay open. */
  faultOf({ claims, kid }: Grant): DomainError | undefined {
    const fault = this.#tokenFault(claims);
    if (fault) return fault;
    if (!this.table.keys.jwks.keys.some((key) => key['kid'] === kid)) return new TokenInvalid();
    return this.table.tenant(claims.tid)?.status === 'active' ? undefined : new ProxyProblem('tenant-suspended');
  }

  #tokenFault(claims: MemberClaims): TokenExpired | TokenRevoked | undefined {
    if (endOf(claims) * 1_000 <= this.clock.now().getTime()) return new TokenExpired();
    return this.table.isRevoked(claims) || this.signedOut.has(claims) ? new TokenRevoked() : undefined;
  }

  #current(): MemberTokenVerifier {
    if (this.#verifier && this.#keys === this.table.keys) return this.#verifier;
    this.#keys = this.table.keys;
    // A token of a key that was withdrawn must not live on in the cache.
    this.#known.clear();
    this.#verifier = createMemberTokenVerifier(this.#keys.issuer, this.#keys.jwks);
    return this.#verifier;
  }

  #remember(key: string, grant: Grant): void {
    if (this.#known.size >= this.capacity) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    this.#known.set(key, grant);
  }
}
