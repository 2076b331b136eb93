import type { TrustMode } from '#libs/contracts';
import { type MemberCeilings, memberCeilings } from '#libs/trust';

/** The columns of a member that have a say. */
export interface MemberTrustRow {
  readonly tenantId: string;
  readonly tierKey: string;
  readonly invitedTo: number;
  readonly invitedUntil: Date | null;
  readonly trustCap: number | null;
  readonly trustCapUntil: Date | null;
}

export interface TenantTrustRow {
  readonly trustCeiling: number;
  readonly platformTrustCeiling: number;
}

export interface TierTrustRow {
  readonly trustCeiling: number;
  readonly invitedTrustCeiling: number | null;
}

/** Everything that limits a member, from rows that are at hand. `placement` is the kind of gateway it is on, or will be. */
export const ceilingsFrom = (
  member: MemberTrustRow,
  tenant: TenantTrustRow,
  tier: TierTrustRow | null | undefined,
  placement: string,
  now: Date,
): MemberCeilings =>
  memberCeilings(
    {
      platform: tenant.platformTrustCeiling,
      tenant: tenant.trustCeiling,
      tier: tier ?? undefined,
      invited: member.invitedTo,
      invitedUntil: member.invitedUntil,
      cap: member.trustCap,
      capUntil: member.trustCapUntil,
      placement,
    },
    now,
  );

export const ceilingFrom = (...rows: Parameters<typeof ceilingsFrom>): TrustMode => ceilingsFrom(...rows).mode;
