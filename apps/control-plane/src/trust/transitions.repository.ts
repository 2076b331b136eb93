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
    const common = { tenantId, reason, detail: detail ?? {}, actor, at };
    await tx.trustTransition.createMany({
      data: rows.map(({ memberId, from, to }) => ({
        ...common,
        id: this.ids.next('trustTransition'),
        memberId,
        fromMode: from,
        toMode: to,
      })),
    });
    await tx.outbox.createMany({
      data: rows.map(({ memberId, from, to }) => ({
        tenantId,
        topic: 'trust',
        aggregateId: memberId,
        type: 'trust.changed',
        data: { memberId, from, to, reason },
      })),
    });
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
