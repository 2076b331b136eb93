import { Injectable } from '@nestjs/common';
import { Database, type Prisma } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import type { Attempt } from './webhook-sender.js';
import type { DeliveryRow, EndpointRow } from './webhooks.repository.js';

/** Attempts kept per delivery, newest last. */
const KEPT_ATTEMPTS = 20;

const logWith = (delivery: DeliveryRow, attempt: Attempt): Prisma.InputJsonArray =>
  [...(delivery.log as unknown as Attempt[]), attempt].slice(-KEPT_ATTEMPTS) as unknown as Prisma.InputJsonArray;

/** Writes down what became of an attempt. */
@Injectable()
export class WebhookOutcomes {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async delivered(delivery: DeliveryRow, attempt: Attempt): Promise<void> {
    await this.database.system(async (tx) => {
      const data = { status: 'delivered', finishedAt: this.clock.now(), dueAt: null, leaseUntil: null };
      const counted = { attempts: delivery.attempts + 1, log: logWith(delivery, attempt) };
      await tx.webhookDelivery.updateMany({ where: { id: delivery.id }, data: { ...data, ...counted } });
      await tx.webhookEndpoint.updateMany({
        where: { id: delivery.endpointId, failingSince: { not: null } },
        data: { failingSince: null },
      });
    });
  }

  /** @param waitMs null: there is no further attempt. */
  async failed(delivery: DeliveryRow, attempt: Attempt, waitMs: number | null): Promise<void> {
    const now = this.clock.now();
    const next =
      waitMs === null
        ? { status: 'failed', finishedAt: now, dueAt: null }
        : { dueAt: new Date(now.getTime() + waitMs) };
    const counted = { attempts: delivery.attempts + 1, log: logWith(delivery, attempt), leaseUntil: null };
    await this.database.system(async (tx) => {
      await tx.webhookDelivery.updateMany({ where: { id: delivery.id }, data: { ...next, ...counted } });
      await tx.webhookEndpoint.updateMany({
        where: { id: delivery.endpointId, failingSince: null },
        data: { failingSince: now },
      });
    });
  }

  async giveBack(delivery: DeliveryRow): Promise<void> {
    await this.database.raw.webhookDelivery.updateMany({ where: { id: delivery.id }, data: { leaseUntil: null } });
  }

  /** Nothing more is sent until somebody sets it active again; what is pending waits for that. */
  async disable(endpoint: EndpointRow, reason: string): Promise<void> {
    const { id, tenantId } = endpoint;
    await this.database.system(async (tx) => {
      const changed = await tx.webhookEndpoint.updateMany({
        where: { id, status: 'active' },
        data: { status: 'disabled', disabledReason: reason },
      });
      if (changed.count === 0) return;
      const line = { action: 'webhook.disable', resource: 'webhook', resourceId: id, data: { reason } };
      await this.audit.record(tx, { tenantId, actor: 'system:webhooks', ...line });
    });
  }
}
