import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type SiteClaims, type SiteTokenRules, TokenInvalid, verifySiteToken } from '#libs/tokens';
import { Vault } from '../secrets/vault.js';
import { type IssuerRecord, SharedSecretIssuersRepository } from './shared-secret-issuers.repository.js';
import { sealContext } from './shared-secret-issuers.service.js';
import { SiteTokenInvalid } from './site-tokens.errors.js';

export interface VerifiedSiteToken {
  readonly claims: SiteClaims;
  /** What the tenant lets its site say at most. */
  readonly trustModeMax: number;
}

/** Verifies tokens with the secret that the tenant's membership site has now, or had until a moment ago. */
@Injectable()
export class SiteTokenVerifier {
  constructor(
    private readonly database: Database,
    private readonly issuers: SharedSecretIssuersRepository,
    private readonly vault: Vault,
    private readonly clock: Clock,
  ) {}

  /** Throws SiteTokenInvalid or TokenExpired. */
  async verify(tenantId: string, token: string): Promise<VerifiedSiteToken> {
    const issuer = await this.database.tenant(tenantId, (tx) => this.issuers.find(tx, tenantId));
    if (!issuer?.enabled) throw new SiteTokenInvalid();
    const now = this.clock.now();
    try {
      const claims = await verifySiteToken(token, await this.#rulesOf(issuer, now), now);
      return { claims, trustModeMax: issuer.trustModeMax };
    } catch (cause) {
      if (cause instanceof TokenInvalid) throw new SiteTokenInvalid({ cause });
      throw cause;
    }
  }

  async #rulesOf(row: IssuerRecord, now: Date): Promise<SiteTokenRules> {
    const { tenantId, secretSealed, previousSealed, previousUntil, issuer, audience } = row;
    const kept = previousSealed && previousUntil && previousUntil > now ? [previousSealed] : [];
    const opening = [secretSealed, ...kept].map((value) => this.vault.open(value, sealContext(tenantId)));
    return { secrets: await Promise.all(opening), issuer, audience };
  }
}
