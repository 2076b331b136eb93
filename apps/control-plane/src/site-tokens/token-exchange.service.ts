import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { TokenView } from '#libs/contracts';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type SiteClaims, TokenExpired, TokenRevoked } from '#libs/tokens';
import { defaultVisibility, effectiveMode, type Surface } from '#libs/trust';
import { MembersReader, type TokenSubject } from '../tokens/members.reader.js';
import { RevocationsRepository } from '../tokens/revocations.repository.js';
import { TokensService } from '../tokens/tokens.service.js';
import { SiteTokenVerifier } from './site-token.verifier.js';

/** Whatever a membership site says: mode 3 needs a token that we issued ourselves. */
const HIGHEST = 2;
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export interface ExchangeRequest {
  readonly tenantId: string;
  readonly token: string;
  readonly surface: Surface;
  /** The longest life of what it is exchanged for, in seconds; it never outlives the site's token. */
  readonly longest: number;
}

/** Turns a token that a tenant's membership site signed into one of ours. */
@Injectable()
export class TokenExchangeService {
  constructor(
    private readonly database: Database,
    private readonly verifier: SiteTokenVerifier,
    private readonly members: MembersReader,
    private readonly revocations: RevocationsRepository,
    private readonly tokens: TokensService,
    private readonly clock: Clock,
  ) {}

  /** Throws SiteTokenInvalid, TokenExpired, TokenRevoked, MemberNotFound, MemberNotActive, TenantSuspended or SurfaceNotInTier. */
  async exchange({ tenantId, token, surface, longest }: ExchangeRequest): Promise<TokenView> {
    const { claims, trustModeMax } = await this.verifier.verify(tenantId, token);
    const subject = await this.members.byExternalId(tenantId, claims.externalId);
    const jti = tokenIdOf(tenantId, token);
    await this.#assertNotRevoked(subject, claims, jti);
    const left = claims.expiresAt - Math.floor(this.clock.now().getTime() / 1_000);
    if (left <= 0) throw new TokenExpired();
    const signed = await this.tokens.sign(subject, {
      place: { surface, visibility: defaultVisibility(surface) },
      seconds: Math.min(longest, left),
      trustModeMax: effectiveMode(trustModeMax, HIGHEST, claims.trustMode ?? HIGHEST),
      jti,
    });
    return this.tokens.viewOf(subject, signed);
  }

  /** What was revoked is not had again with the same site token, nor with one from before the member was revoked. */
  async #assertNotRevoked({ tenantId, revokedBefore }: TokenSubject, claims: SiteClaims, jti: string): Promise<void> {
    if (revokedBefore && claims.issuedAt * 1_000 < revokedBefore.getTime()) throw new TokenRevoked();
    const revoked = await this.database.tenant(tenantId, (tx) => this.revocations.isRevoked(tx, tenantId, jti));
    if (revoked) throw new TokenRevoked();
  }
}

/** The same site token always becomes a token of the same id, so that revoking it once covers every exchange of it. */
function tokenIdOf(tenantId: string, token: string): string {
  const digest = createHash('sha256').update(`${tenantId}\n${token}`).digest();
  return `tok_${Array.from(digest.subarray(0, 26), (byte) => ALPHABET[byte & 31]).join('')}`;
}
