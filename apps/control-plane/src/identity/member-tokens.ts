import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { MemberClaims } from '#libs/contracts';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { createMemberTokenVerifier, TokenInvalid, TokenRevoked } from '#libs/tokens';

/** Verifies a member's token for the control plane's own routes: signature, times and revocation. */
@Injectable()
export class MemberTokens {
  constructor(
    private readonly database: Database,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** Throws TokenInvalid, TokenExpired or TokenRevoked. */
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
    if (await this.#isRevoked(claims)) throw new TokenRevoked();
    return claims;
  }

  async #isRevoked({ tid, sub, jti, iat }: MemberClaims): Promise<boolean> {
    const issuedAt = new Date(iat * 1_000);
    const found = await this.database.tenant(tid, (tx) =>
      tx.revocation.count({
        where: { tenantId: tid, OR: [{ jti }, { memberId: sub, issuedBefore: { gt: issuedAt } }] },
      }),
    );
    return found > 0;
  }
}
