import { Injectable } from '@nestjs/common';
import type { TrustMode } from '#libs/contracts';
import type { Prisma, Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';

export type TransitionReason =
  'invitation-accepted' | 'invitation-lapsed' | 'downgraded' | 'downgrade-lifted' | 'tier-changed' | 'tenant-changed';

export interface Cause {
  readonly reason: TransitionReason;
  readonly actor: string;
  readonly detail?: Prisma.InputJsonObject;
  /**
   * Tokens from before stay, and give no more than the new ceiling: for an ordinary change of a membership, which must not
   * sign anybody out.
   */
  readonly keepsTokens?: boolean;
}

export interface Transition {
  readonly memberId: string;
  readonly from: TrustMode;
  readonly to: TrustMode;
}

export type TransitionRow = Prisma.TrustTransitionGetPayload<object>;

/** Every change of what a member may at most, each with its event. */
@Injectable()
export class TransitionsRepository {
  constructor(
    private readonly clock: Clock,
    private readonly ids: Ids,
  ) {}

  async add(tx: Tx, tenantId: string, rows: readonly Transition[], cause: Cause): Promise<void> {
    const { reason, actor, detail } = cause;
    const at = this.clock.now();
    // Columns as arrays: one statement each, for one member as for all of a large tier.
    const ids = rows.map(() => this.ids.next('trustTransition'));
    const members = rows.map(({ memberId }) => memberId);
    const [from, to] = [rows.map((row) => row.from), rows.map((row) => row.to)];
    await tx.$executeRaw`
      INSERT INTO trust_transitions (id, tenant_id, member_id, from_mode, to_mode, reason, detail, actor, at)
      SELECT t.id, ${tenantId}, t.member, t.from_mode, t.to_mode, ${reason}, ${JSON.stringify(detail ?? {})}::jsonb, ${actor}, ${at}
      FROM unnest(${ids}::text[], ${members}::text[], ${from}::int[], ${to}::int[]) AS t (id, member, from_mode, to_mode)`;
    await tx.$executeRaw`
      INSERT INTO outbox (tenant_id, topic, aggregate_id, type, data)
      SELECT ${tenantId}, 'trust', t.member, 'trust.changed',
        jsonb_build_object('memberId', t.member, 'from', t.from_mode, 'to', t.to_mode, 'reason', ${reason}::text)
      FROM unnest(${members}::text[], ${from}::int[], ${to}::int[]) AS t (member, from_mode, to_mode)`;
  }

  /** Newest first. */
  async page(
    tx: Tx,
    tenantId: string,
    memberId: string,
    page: { readonly before: string | undefined; readonly limit: number },
  ): Promise<TransitionRow[]> {
    return tx.trustTransition.findMany({
      where: { tenantId, memberId, ...(page.before ? { id: { lt: page.before } } : {}) },
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }
}
