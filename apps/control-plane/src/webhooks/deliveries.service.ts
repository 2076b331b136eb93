import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { type Page, toPage } from '../http/cursor.js';
import { type DeliveryView, toDeliveryView } from './webhook-views.js';
import { toPayload } from './webhook-events.js';
import { DeliveryNotFound, WebhookNotActive, WebhookNotFound } from './webhooks.errors.js';
import { type DeliveryFilter, type EndpointRow, WebhooksRepository } from './webhooks.repository.js';
import type { WebhookCaller } from './webhooks.service.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';

/** The delivery log of an endpoint: what was sent, how it went, and sending it again. */
@Injectable()
export class DeliveriesService {
  constructor(
    private readonly database: Database,
    private readonly webhooks: WebhooksRepository,
    private readonly dispatcher: WebhookDispatcher,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async list(tenantId: string, filter: DeliveryFilter): Promise<Page<DeliveryView>> {
    const rows = await this.database.tenant(tenantId, async (tx) => {
      await this.#endpoint(tx, tenantId, filter.endpointId);
      return this.webhooks.listDeliveries(tx, tenantId, { ...filter, limit: filter.limit + 1 });
    });
    return toPage(rows, filter.limit, toDeliveryView, (row) => [row.id]);
  }

  async get(tenantId: string, endpointId: string, id: string): Promise<DeliveryView> {
    const row = await this.database.tenant(tenantId, (tx) => this.webhooks.findDelivery(tx, tenantId, endpointId, id));
    if (!row) throw new DeliveryNotFound();
    return toDeliveryView(row);
  }

  /** Sends one delivery again, whatever became of it, with the same `webhook-id`. */
  async replay({ tenantId, actor }: WebhookCaller, endpointId: string, id: string): Promise<DeliveryView> {
    await this.database.tenant(tenantId, async (tx) => {
      this.#assertActive(await this.#endpoint(tx, tenantId, endpointId));
      if (!(await this.webhooks.findDelivery(tx, tenantId, endpointId, id))) throw new DeliveryNotFound();
      await this.webhooks.replay(tx, tenantId, { endpointId, id }, this.clock.now());
      const line = { action: 'webhook.replay', resource: 'webhook', resourceId: endpointId, data: { delivery: id } };
      await this.audit.record(tx, { tenantId, actor, ...line });
    });
    this.dispatcher.wake();
    return this.get(tenantId, endpointId, id);
  }

  /** Sends everything again that failed since then. */
  async replayFailed(
    { tenantId, actor }: WebhookCaller,
    endpointId: string,
    since: Date,
  ): Promise<{ replayed: number }> {
    const replayed = await this.database.tenant(tenantId, async (tx) => {
      this.#assertActive(await this.#endpoint(tx, tenantId, endpointId));
      const where = { endpointId, status: 'failed', createdAt: { gte: since } };
      const count = await this.webhooks.replay(tx, tenantId, where, this.clock.now());
      const data = { since: since.toISOString(), count };
      await this.audit.record(tx, {
        tenantId,
        actor,
        action: 'webhook.replay',
        resource: 'webhook',
        resourceId: endpointId,
        data,
      });
      return count;
    });
    this.dispatcher.wake();
    return { replayed };
  }

  /** A `webhook.test` event for this endpoint alone. */
  async test({ tenantId }: WebhookCaller, endpointId: string): Promise<DeliveryView> {
    const id = this.ids.next('delivery');
    const eventId = `evt_test_${id.slice(id.indexOf('_') + 1)}`;
    await this.database.tenant(tenantId, async (tx) => {
      this.#assertActive(await this.#endpoint(tx, tenantId, endpointId));
      const at = this.clock.now();
      const event = { id: eventId, tenantId, type: 'webhook.test' as const, at, memberId: null, data: { endpointId } };
      const row = { id, tenantId, endpointId, eventId, type: event.type, payload: toPayload(event, undefined) };
      await tx.webhookDelivery.create({ data: { ...row, createdAt: at, dueAt: at }, select: { id: true } });
    });
    this.dispatcher.wake();
    return this.get(tenantId, endpointId, id);
  }

  async #endpoint(tx: Tx, tenantId: string, id: string): Promise<EndpointRow> {
    const row = await this.webhooks.find(tx, tenantId, id);
    if (!row) throw new WebhookNotFound();
    return row;
  }

  #assertActive(row: EndpointRow): void {
    if (row.status !== 'active') throw new WebhookNotActive();
  }
}
