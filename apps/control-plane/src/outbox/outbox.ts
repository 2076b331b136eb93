import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { ChangeNotifier } from '#libs/queue';

export type Topic =
  'operations' | 'gateways' | 'agents' | 'backups' | 'members' | 'audit' | 'tenants' | 'trust' | 'usage' | 'secrets';

export interface DomainEvent {
  readonly tenantId: string;
  readonly topic: Topic;
  readonly aggregateId: string;
  readonly type: string;
  readonly data: Prisma.InputJsonObject;
}

/** Notices are sent on this channel after a commit that appended events. */
export const OUTBOX_CHANNEL = 'outbox';

/**
 * Events written in the transaction of the change they tell of, read in order by consoles, operation streams and
 * webhooks. The notice only makes readers look sooner.
 */
@Injectable()
export class Outbox {
  constructor(private readonly notifier: ChangeNotifier) {}

  async append(tx: Tx, event: DomainEvent): Promise<void> {
    await tx.outbox.create({ data: event, select: { seq: true } });
  }

  /** Call after the commit. */
  async announce(): Promise<void> {
    await this.notifier.publish(OUTBOX_CHANNEL);
  }
}
