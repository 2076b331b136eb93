import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { TokenView } from '#libs/contracts';
import { Clock, Ids } from '#libs/kernel';
import { type MemberClaimsToSign, signMemberToken } from '#libs/tokens';
import { type Surface, tierCovers } from '#libs/trust';
import { MembersReader, type TokenSubject } from './members.reader.js';
import { SigningKeysService } from './signing-keys.service.js';
import { TOKEN_LIFE } from './token-limits.js';
import { SurfaceNotInTier } from './tokens.errors.js';

/** What a token may do at a gateway unless it was asked for less or more. */
const DEFAULT_SCOPES = ['chat'] as const;

export interface TokenRequest {
  readonly member: string;
  readonly surface: Surface;
  readonly scopes?: readonly string[];
  readonly ttlSeconds?: number;
}

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
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Throws MemberNotFound, MemberNotActive or SurfaceNotInTier. */
  async issue(tenantId: string, request: TokenRequest): Promise<TokenView> {
    const subject = await this.members.byExternalId(tenantId, request.member);
    const scopes = request.scopes?.length ? request.scopes : DEFAULT_SCOPES;
    const signed = await this.sign(subject, request.surface, scopes, request.ttlSeconds ?? TOKEN_LIFE.max);
    const url = `${this.config.proxyUrl}/t/${subject.slug}/a/${subject.agentId}`;
    return { ...signed, url, wsUrl: `${url.replace(/^http/, 'ws')}/ws` };
  }

  async sign(
    subject: TokenSubject,
    surface: Surface,
    scopes: readonly string[] = DEFAULT_SCOPES,
    seconds: number = TOKEN_LIFE.session,
  ): Promise<SignedToken> {
    if (!tierCovers(subject.channels, surface)) throw new SurfaceNotInTier(surface);
    const iat = this.#issuedAt(subject.revokedBefore);
    const claims: MemberClaimsToSign = {
      iss: this.config.url,
      sub: subject.memberId,
      tid: subject.tenantId,
      wid: subject.workspaceId,
      trust_mode_max: subject.trustModeMax,
      scopes,
      surfaces: [surface],
      gw: subject.gatewayId,
      iat,
      exp: iat + seconds,
      jti: this.ids.next('token'),
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
