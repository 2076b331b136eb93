import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { MemberNotFound } from '../members/members.errors.js';

export type TrustMemberRow = Prisma.MemberGetPayload<object>;

/** Members as trust needs them. A row is locked first: two changes of one member follow each other. */
@Injectable()
export class TrustMembersRepository {
  async find(tx: Tx, tenantId: string, externalId: string): Promise<TrustMemberRow> {
    const row = await tx.member.findUnique({ where: { tenantId_externalId: { tenantId, externalId } } });
    if (!row || row.status === 'erased') throw new MemberNotFound();
    return row;
  }

  /** Throws MemberNotFound. */
  async lockByExternalId(tx: Tx, tenantId: string, externalId: string): Promise<TrustMemberRow> {
    const { id } = await this.find(tx, tenantId, externalId);
    const row = await this.lock(tx, tenantId, id);
    if (!row) throw new MemberNotFound();
    return row;
  }

  async lock(tx: Tx, tenantId: string, id: string): Promise<TrustMemberRow | undefined> {
    await tx.$executeRaw`SELECT 1 FROM members WHERE id = ${id} AND tenant_id = ${tenantId} FOR UPDATE`;
    const row = await tx.member.findFirst({ where: { id, tenantId, status: { not: 'erased' } } });
    return row ?? undefined;
  }

  async tier(
    tx: Tx,
    tenantId: string,
    key: string,
  ): Promise<{ trustCeiling: number; invitedTrustCeiling: number | null } | undefined> {
    const select = { trustCeiling: true, invitedTrustCeiling: true };
    return (await tx.tier.findUnique({ where: { tenantId_key: { tenantId, key } }, select })) ?? undefined;
  }

  /** The kind of gateway the member's agent is on, or will be. */
  async placement(tx: Tx, memberId: string): Promise<string> {
    const agent = await tx.agent.findFirst({
      where: { memberId },
      orderBy: { id: 'asc' },
      select: { desiredKind: true },
    });
    return agent?.desiredKind ?? 'shared';
  }
}
