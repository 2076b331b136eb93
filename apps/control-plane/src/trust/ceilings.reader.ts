import { Injectable } from '@nestjs/common';
import type { TrustMode } from '#libs/contracts';
import type { Tx } from '#libs/database';
import { ceilingFrom, type MemberTrustRow } from './ceilings.js';

export interface MemberCeiling {
  readonly memberId: string;
  readonly mode: TrustMode;
  /** Those that are in service. */
  readonly agentIds: readonly string[];
}

/** Instead of what is stored: to look ahead. */
export interface AssumedTier {
  readonly key: string;
  readonly trustCeiling: number;
  readonly invitedTrustCeiling: number | null;
  /** Undefined: every agent stays where it is. */
  readonly placement: string | undefined;
}

/** Which members: all of the tenant, those of a tier, or some. */
export interface MembersOf {
  readonly tierKey?: string;
  readonly ids?: readonly string[];
}

interface Row extends MemberTrustRow {
  readonly id: string;
  /** Of the first agent; null when there is none. */
  readonly placement: string | null;
  readonly agentIds: readonly string[];
}

/** Ceilings of many members at once: one read of the tenant, one of its tiers, one of the members, however many they are. */
@Injectable()
export class CeilingsReader {
  /** As they are, or were, at `at`: that decides which invitations and downgrades count. */
  async read(tx: Tx, tenantId: string, of: MembersOf, at: Date, assumed?: AssumedTier): Promise<MemberCeiling[]> {
    const tenant = await tx.tenant.findUniqueOrThrow({
      where: { id: tenantId },
      select: { trustCeiling: true, platformTrustCeiling: true },
    });
    const tiers = await tx.tier.findMany({
      where: { tenantId },
      select: { key: true, trustCeiling: true, invitedTrustCeiling: true },
    });
    const byKey = new Map((assumed ? [...tiers, assumed] : tiers).map((tier) => [tier.key, tier]));
    return (await this.#rows(tx, tenantId, of)).map((row) => ({
      memberId: row.id,
      mode: ceilingFrom(row, tenant, byKey.get(row.tierKey), assumed?.placement ?? row.placement ?? 'shared', at),
      agentIds: row.agentIds,
    }));
  }

  async #rows(tx: Tx, tenantId: string, of: MembersOf): Promise<Row[]> {
    const tierKey = of.tierKey ?? null;
    const some = of.ids ? [...of.ids] : null;
    return tx.$queryRaw<Row[]>`
      SELECT m.id, m.tenant_id AS "tenantId", m.tier_key AS "tierKey", m.invited_to AS "invitedTo",
        m.invited_until AS "invitedUntil", m.trust_cap AS "trustCap", m.trust_cap_until AS "trustCapUntil",
        (array_agg(a.desired_kind ORDER BY a.id))[1] AS placement,
        array_remove(array_agg(CASE WHEN a.desired_state = 'active' THEN a.id END ORDER BY a.id), NULL) AS "agentIds"
      FROM members m LEFT JOIN agents a ON a.member_id = m.id
      WHERE m.tenant_id = ${tenantId} AND m.status <> 'erased'
        AND (${tierKey}::text IS NULL OR m.tier_key = ${tierKey}) AND (${some}::text[] IS NULL OR m.id = ANY(${some}))
      GROUP BY m.id ORDER BY m.id`;
  }
}
