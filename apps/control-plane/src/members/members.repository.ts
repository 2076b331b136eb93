import { Injectable } from '@nestjs/common';
import type { MemberStatus, MemberView } from '#libs/contracts';
import type { Prisma, Tx } from '#libs/database';
import { etagOf } from '../http/etag.js';
import { diskLimitOf } from '../tiers/disk-limit.js';
import { ceilingFrom } from '../trust/ceilings.js';

const VIEW = {
  tenant: true,
  agents: { include: { gateway: true }, take: 1 },
} satisfies Prisma.MemberInclude;

export type MemberRecord = Prisma.MemberGetPayload<{ include: typeof VIEW }>;
export type TierRow = Prisma.TierGetPayload<object>;

export interface MemberFilter {
  readonly tier?: string | undefined;
  readonly status?: string | undefined;
  readonly q?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Members as rows. Runs in the caller's tenant transaction; `tenantId` is checked again in every query. */
@Injectable()
export class MembersRepository {
  /** Two calls for one member wait for each other until the transaction ends. */
  async lock(tx: Tx, tenantId: string, externalId: string): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`member:${tenantId}:${externalId}`}, 0))`;
  }

  async find(tx: Tx, tenantId: string, externalId: string): Promise<MemberRecord | undefined> {
    const where = { tenantId_externalId: { tenantId, externalId } };
    return (await tx.member.findUnique({ where, include: VIEW })) ?? undefined;
  }

  async list(tx: Tx, tenantId: string | undefined, filter: MemberFilter): Promise<MemberRecord[]> {
    const contains = filter.q ? { contains: filter.q, mode: 'insensitive' as const } : undefined;
    return tx.member.findMany({
      where: {
        ...(tenantId ? { tenantId } : {}),
        ...(filter.tier ? { tierKey: filter.tier } : {}),
        ...(filter.status ? { status: filter.status } : {}),
        ...(filter.after ? { id: { gt: filter.after } } : {}),
        ...(contains ? { OR: [{ email: contains }, { name: contains }, { externalId: contains }] } : {}),
      },
      include: VIEW,
      orderBy: { id: 'asc' },
      take: filter.limit,
    });
  }

  async tiers(tx: Tx, tenantId: string): Promise<TierRow[]> {
    return tx.tier.findMany({ where: { tenantId }, orderBy: { rank: 'asc' } });
  }
}

/** Public address of one agent (api.md, "Addresses"). */
export const agentUrl = (proxyUrl: string, slug: string, agentId: string): string =>
  `${proxyUrl}/t/${slug}/a/${agentId}`;

/** The version of what a caller may change about a member. Its gateway's phase is not part of it. */
export const memberEtag = (member: Pick<MemberView, 'id' | 'updatedAt'>): string => etagOf(member.id, member.updatedAt);

/** `now` decides whether invitations and downgrades still count. */
export function toMemberView(member: MemberRecord, tiers: readonly TierRow[], proxyUrl: string, now: Date): MemberView {
  const agent = member.agents[0];
  const gateway = agent?.gateway;
  const tier = tiers.find((row) => row.tenantId === member.tenantId && row.key === member.tierKey);
  return {
    id: member.id,
    externalId: member.externalId,
    email: member.email,
    name: member.name,
    tier: member.tierKey,
    status: member.status as MemberStatus,
    trustModeMax: ceilingFrom(member, member.tenant, tier, agent?.desiredKind ?? 'shared', now),
    gateway:
      agent && gateway && gateway.phase !== 'deleted'
        ? {
            id: gateway.id,
            kind: gateway.kind as 'shared' | 'dedicated',
            runtime: gateway.runtime,
            phase: gateway.phase,
            url: agentUrl(proxyUrl, member.tenant.slug, agent.id),
          }
        : null,
    disk: { usedBytes: agent?.diskBytes == null ? null : Number(agent.diskBytes), limitBytes: diskLimitOf(tier) },
    createdAt: member.createdAt.toISOString(),
    updatedAt: member.updatedAt.toISOString(),
  };
}
