import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { MEMBER_SCOPES, type MemberScope, type TokenView } from '#libs/contracts';
import { Clock, Ids } from '#libs/kernel';
import { type MemberClaimsToSign, signMemberToken } from '#libs/tokens';
import {
  defaultVisibility,
  effectiveMode,
  type Place,
  parsePlace,
  placeClaim,
  type Surface,
  tierCovers,
  type Visibility,
} from '#libs/trust';
import { TrustService } from '../trust/trust.service.js';
import { MembersReader, type TokenSubject } from './members.reader.js';
import { SigningKeysService } from './signing-keys.service.js';
import { TOKEN_LIFE } from './token-limits.js';
import { SurfaceNotInTier, VisibilityNotThere } from './tokens.errors.js';

export interface TokenRequest {
  /** externalId. */
  readonly member: string;
  readonly surface: Surface;
  readonly visibility?: Visibility;
  readonly scopes?: readonly MemberScope[];
  readonly ttlSeconds?: number;
  /** Id of a workspace where the member has a role; the member's own when it is left out. */
  readonly workspace?: string;
}

/** What differs from an ordinary session of the chat page. */
export interface SignOptions {
  readonly place?: Place;
  readonly scopes?: readonly MemberScope[];
  readonly seconds?: number;
  /** A lower ceiling than the member's own. */
  readonly trustModeMax?: number;
  readonly jti?: string;
}

/** The chat page. */
const OWN_PAGE: Place = { surface: 'web', visibility: 'private' };

export interface SignedToken {
  readonly token: string;
  readonly expiresAt: string;
}

/** Issues member tokens. */
@Injectable()
export class TokensService {
  constructor(
    private readonly members: MembersReader,
    private readonly keys: SigningKeysService,
    private readonly trust: TrustService,
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Throws MemberNotFound, WorkspaceNotFound, MemberNotActive, TenantSuspended or SurfaceNotInTier. */
  async issue(tenantId: string, request: TokenRequest): Promise<TokenView> {
    const { member, surface, visibility = defaultVisibility(surface), scopes, workspace } = request;
    const subject = await this.members.byExternalId(tenantId, member, workspace);
    const seconds = request.ttlSeconds ?? TOKEN_LIFE.max;
    const signed = await this.sign(subject, { place: { surface, visibility }, seconds, ...(scopes ? { scopes } : {}) });
    return this.viewOf(subject, signed);
  }

  /** A token and where to use it. */
  viewOf(subject: TokenSubject, signed: SignedToken): TokenView {
    const url = `${this.config.proxyUrl}/t/${subject.slug}/a/${subject.agentId}`;
    return { ...signed, url, wsUrl: `${url.replace(/^http/, 'ws')}/ws` };
  }

  /** Throws SurfaceNotInTier or VisibilityNotThere. */
  async sign(subject: TokenSubject, options: SignOptions = {}): Promise<SignedToken> {
    const { place = OWN_PAGE, scopes = [], seconds = TOKEN_LIFE.session, jti = this.ids.next('token') } = options;
    if (!tierCovers(subject.channels, place.surface)) throw new SurfaceNotInTier(place.surface);
    if (!parsePlace(`${place.surface}:${place.visibility}`))
      throw new VisibilityNotThere(place.surface, place.visibility);
    const iat = this.#issuedAt(subject.revokedBefore);
    const claims: MemberClaimsToSign = {
      iss: this.config.url,
      sub: subject.memberId,
      tid: subject.tenantId,
      wid: subject.workspaceId,
      trust_mode_max: effectiveMode(this.trust.tokenCeiling(subject, place), options.trustModeMax ?? 3),
      scopes: scopes.length > 0 ? scopes : MEMBER_SCOPES,
      surfaces: [placeClaim(place)],
      gw: subject.gatewayId,
      iat,
      exp: iat + seconds,
      jti,
    };
    const token = await signMemberToken(await this.keys.current(), claims);
    return { token, expiresAt: new Date(claims.exp * 1_000).toISOString() };
  }

  /**
   * Whole seconds, as JWTs have them. In the second of a revocation that would put a new token before it, so such a
   * token is dated to the next second, which verifiers' clock skew allows.
   */
  #issuedAt(revokedBefore: Date | null): number {
    const now = Math.floor(this.clock.now().getTime() / 1_000);
    return Math.max(now, Math.ceil((revokedBefore?.getTime() ?? 0) / 1_000));
  }
}
