import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { MemberClaims } from '#libs/contracts';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { createMemberTokenVerifier, TokenInvalid, TokenRevoked } from '#libs/tokens';
import { TenantSuspended } from './identity.errors.js';

/** Verifies a member's token for the control plane's own routes: signature, times and revocation. */
@Injectable()
export class MemberTokens {
  constructor(
    private readonly database: Database,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** Throws TokenInvalid, TokenExpired, TokenRevoked or TenantSuspended. */
  async verify(token: string | undefined): Promise<MemberClaims> {
    if (token === undefined) throw new TokenInvalid();
    const now = this.clock.now();
    const rows = await this.database.system((tx) =>
      tx.signingKey.findMany({
        where: { OR: [{ removeAfter: null }, { removeAfter: { gt: now } }] },
        select: { publicJwk: true },
      }),
    );
    const keys = rows.map((row) => row.publicJwk as Record<string, unknown>);
    const claims = await createMemberTokenVerifier(this.config.url, { keys }).verify(token, now);
    await this.#assertUsable(claims);
    return claims;
  }

  async #assertUsable({ tid, sub, jti, iat }: MemberClaims): Promise<void> {
    const issuedAt = new Date(iat * 1_000);
    const { tenant, revocations } = await this.database.tenant(tid, async (tx) => ({
      tenant: await tx.tenant.findUnique({ where: { id: tid }, select: { status: true, suspendedReason: true } }),
      revocations: await tx.revocation.count({
        // Of this token, of its member, or of everybody there.
        where: {
          tenantId: tid,
          OR: [{ jti }, { jti: null, issuedBefore: { gt: issuedAt }, OR: [{ memberId: sub }, { memberId: null }] }],
        },
      }),
    }));
    if (revocations > 0) throw new TokenRevoked();
    if (tenant?.status === 'suspended') throw new TenantSuspended(tenant.suspendedReason);
    if (tenant?.status !== 'active') throw new TokenRevoked();
  }
}
