import { Injectable } from '@nestjs/common';
import type { TrustMode } from '#libs/contracts';
import type { Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { effectiveMode, type MemberCeilings, type Place, surfaceCap } from '#libs/trust';
import { ceilingsFrom, type MemberTrustRow } from './ceilings.js';

/** How far a member may go: the one answer that tokens, routes, gateways' configurations and views share. */
@Injectable()
export class TrustService {
  constructor(private readonly clock: Clock) {}

  /** The highest mode of a member now. `placement` is the kind of gateway its agent is on, or will be. */
  async ceilingOf(tx: Tx, member: MemberTrustRow, placement: string): Promise<TrustMode> {
    return (await this.ceilingsOf(tx, member, placement)).mode;
  }

  /** The same with every ceiling and where it comes from. */
  async ceilingsOf(tx: Tx, member: MemberTrustRow, placement: string): Promise<MemberCeilings> {
    const { tenantId, tierKey: key } = member;
    const tenant = await tx.tenant.findUniqueOrThrow({
      where: { id: tenantId },
      select: { trustCeiling: true, platformTrustCeiling: true },
    });
    const tier = await tx.tier.findUnique({
      where: { tenantId_key: { tenantId, key } },
      select: { trustCeiling: true, invitedTrustCeiling: true },
    });
    return ceilingsFrom(member, tenant, tier, placement, this.clock.now());
  }

  /** What a token for that place says as `trust_mode_max`: the member's ceiling or the surface's, whichever is lower. */
  tokenCeiling(subject: { readonly trustModeMax: TrustMode }, place: Place): TrustMode {
    return effectiveMode(subject.trustModeMax, surfaceCap(place));
  }
}
