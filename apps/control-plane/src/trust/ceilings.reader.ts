import { Injectable } from '@nestjs/common';
import type { TrustMode } from '#libs/contracts';
import type { Prisma, Tx } from '#libs/database';
import { ceilingFrom } from './ceilings.js';

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

const SELECT = {
  id: true,
  tenantId: true,
  tierKey: true,
  invitedTo: true,
  invitedUntil: true,
  trustCap: true,
  trustCapUntil: true,
  agents: { select: { id: true, desiredKind: true, desiredState: true }, orderBy: { id: 'asc' } },
} satisfies Prisma.MemberSelect;

/** Ceilings of many members at once: one read of the tenant, one of its tiers, one of the members. */
@Injectable()
export class CeilingsReader {
  /** As they are, or were, at `at`: that decides which invitations and downgrades count. */
  async read(
    tx: Tx,
    tenantId: string,
    where: Prisma.MemberWhereInput,
    at: Date,
    assumed?: AssumedTier,
  ): Promise<MemberCeiling[]> {
    const tenant = await tx.tenant.findUniqueOrThrow({
      where: { id: tenantId },
      select: { trustCeiling: true, platformTrustCeiling: true },
    });
    const tiers = await tx.tier.findMany({
      where: { tenantId },
      select: { key: true, trustCeiling: true, invitedTrustCeiling: true },
    });
    const byKey = new Map((assumed ? [...tiers, assumed] : tiers).map((tier) => [tier.key, tier]));
    const members = await tx.member.findMany({
      where: { ...where, tenantId, status: { not: 'erased' } },
      select: SELECT,
      orderBy: { id: 'asc' },
    });
    return members.map((member) => {
      const placement = assumed?.placement ?? member.agents[0]?.desiredKind ?? 'shared';
      return {
        memberId: member.id,
        mode: ceilingFrom(member, tenant, byKey.get(member.tierKey), placement, at),
        agentIds: member.agents.filter((agent) => agent.desiredState === 'active').map((agent) => agent.id),
      };
    });
  }
}
