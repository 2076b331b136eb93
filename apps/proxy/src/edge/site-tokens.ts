import type { TenantRoute } from '#libs/contracts';
import { type Clock, DomainError, SystemClock } from '#libs/kernel';
import { isSiteTokenShaped, readCompact, TokenExpired, TokenInvalid } from '#libs/tokens';
import { LRUCache } from 'lru-cache';
import { hash } from 'node:crypto';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { SiteTokenClient } from './site-token.client.js';
import type { Grant, TokenGate } from './token-gate.js';

/** One of our tokens, verified. */
export interface Admission {
  readonly token: string;
  readonly grant: Grant;
}

/**
 * Tokens that a tenant's membership site signed itself (HS256). The first use of one is exchanged at the control plane for a
 * token of ours, which is kept for as long as it is good; a gateway never sees the site's own. The control plane gives the
 * same site token the same token id every time, so that a revocation covers whatever it is exchanged for later.
 */
export class SiteTokens {
  /** By the SHA-256 of tenant and site token: our token, or why there is none. */
  readonly #known: LRUCache<string, string>;
  readonly #refused: LRUCache<string, DomainError>;
  readonly #asking = new Map<string, Promise<string>>();

  constructor(
    private readonly client: SiteTokenClient,
    private readonly gate: TokenGate,
    private readonly clock: Clock = new SystemClock(),
    private readonly limits: { readonly cache: number; readonly inFlight: number } = {
      cache: LIMITS.tokenCache,
      inFlight: LIMITS.tokenExchanges,
    },
  ) {
    this.#known = new LRUCache({ max: limits.cache });
    this.#refused = new LRUCache({ max: limits.cache, ttl: TIMES.refusalKept });
  }

  /** True when a token is to be judged here and not by the gate. */
  takes(tenant: TenantRoute, token: string): boolean {
    return tenant.acceptsSharedSecretTokens && isSiteTokenShaped(token);
  }

  /** Rejects like the gate, or with `token-exchange-unavailable`. */
  async admit(tenant: TenantRoute, siteToken: string): Promise<Admission> {
    this.#checkEnd(siteToken);
    const key = hash('sha256', `${tenant.tenantId}\n${siteToken}`, 'base64');
    const known = this.#known.get(key);
    if (known !== undefined) {
      try {
        return { token: known, grant: await this.gate.grantOf(known) };
      } catch (error) {
        // It ended, or its key was withdrawn: the site's token may still be good for another. A revoked one is not.
        if (!(error instanceof TokenExpired) && !(error instanceof TokenInvalid)) throw error;
        this.#known.delete(key);
      }
    }
    const token = await this.#ask(key, tenant.tenantId, siteToken);
    return { token, grant: await this.gate.grantOf(token) };
  }

  /** What says itself that it has ended needs nobody to be asked. */
  #checkEnd(siteToken: string): void {
    const exp = readCompact(siteToken)?.payload['exp'];
    if (typeof exp !== 'number') throw new TokenInvalid();
    if (exp * 1_000 <= this.clock.now().getTime()) throw new TokenExpired();
  }

  async #ask(key: string, tenantId: string, siteToken: string): Promise<string> {
    const refused = this.#refused.get(key);
    if (refused) throw refused;
    const asked = this.#asking.get(key);
    if (asked) return asked;
    if (this.#asking.size >= this.limits.inFlight) throw new ProxyProblem('token-exchange-unavailable');
    const asking = this.#exchange(key, tenantId, siteToken).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #exchange(key: string, tenantId: string, siteToken: string): Promise<string> {
    try {
      const token = await this.client.exchange(tenantId, siteToken);
      this.#known.set(key, token);
      return token;
    } catch (error) {
      if (error instanceof DomainError && error.kind !== 'unavailable') this.#refused.set(key, error);
      throw error;
    }
  }
}
