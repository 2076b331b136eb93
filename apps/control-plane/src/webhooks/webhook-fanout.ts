import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import type { Topic } from '../outbox/outbox.js';
import { OutboxReader } from '../events/outbox.reader.js';
import { toPayload, toWebhookEvent, type WebhookEvent } from './webhook-events.js';

const READER = 'webhooks';
const TOPICS: readonly Topic[] = ['members', 'operations', 'agents', 'tenants', 'trust', 'usage', 'secrets'];
const BATCH = 500;

type Endpoint = { readonly id: string; readonly tenantId: string; readonly events: readonly string[] };

const wants = (endpoint: Endpoint, event: WebhookEvent): boolean =>
  endpoint.tenantId === event.tenantId && (endpoint.events.includes('*') || endpoint.events.includes(event.type));

/**
 * Turns outbox events into deliveries. The place in the outbox moves in the transaction that writes them, so an event
 * becomes exactly one delivery per endpoint, whatever dies in between and however many processes try.
 */
@Injectable()
export class WebhookFanout {
  constructor(
    private readonly database: Database,
    private readonly outbox: OutboxReader,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Handles the next events; resolves with how many there were, and how many deliveries came of them. */
  async run(): Promise<{ readonly events: number; readonly deliveries: number }> {
    await this.#ensureCursor();
    return this.database.system(async (tx) => {
      const [cursor] = await tx.$queryRaw<{ txid: bigint; seq: bigint }[]>`
        SELECT txid, seq FROM outbox_cursors WHERE reader = ${READER} FOR UPDATE SKIP LOCKED`;
      if (!cursor) return { events: 0, deliveries: 0 }; // another process is at it
      const events = await this.outbox.readIn(tx, cursor, TOPICS, BATCH);
      const last = events.at(-1);
      if (!last) return { events: 0, deliveries: 0 };
      const outgoing = events.flatMap((event) => toWebhookEvent(event) ?? []);
      const deliveries = outgoing.length === 0 ? 0 : await this.#deliver(tx, outgoing);
      await tx.outboxCursor.update({ where: { reader: READER }, data: last.cursor });
      return { events: events.length, deliveries };
    });
  }

  /** The first time: everything from now on. */
  async #ensureCursor(): Promise<void> {
    const known = await this.database.raw.outboxCursor.count({ where: { reader: READER } });
    if (known > 0) return;
    const tail = await this.outbox.tail();
    await this.database.raw.outboxCursor.createMany({ data: { reader: READER, ...tail }, skipDuplicates: true });
  }

  async #deliver(tx: Tx, events: readonly WebhookEvent[]): Promise<number> {
    const tenantIds = [...new Set(events.map((event) => event.tenantId))];
    const endpoints = await tx.webhookEndpoint.findMany({
      where: { tenantId: { in: tenantIds }, status: { in: ['active', 'paused'] } },
      select: { id: true, tenantId: true, events: true },
    });
    if (endpoints.length === 0) return 0;
    const members = await this.#members(tx, events);
    const dueAt = this.clock.now();
    const data = events.flatMap((event) => {
      const payload = toPayload(event, members.get(event.memberId ?? ''));
      const { tenantId, id: eventId, type, at } = event;
      return endpoints
        .filter((endpoint) => wants(endpoint, event))
        .map(({ id }) => ({
          id: this.ids.next('delivery'),
          tenantId,
          endpointId: id,
          eventId,
          type,
          payload: json(payload),
          createdAt: at,
          dueAt,
        }));
    });
    return (await tx.webhookDelivery.createMany({ data, skipDuplicates: true })).count;
  }

  /** What a tenant knows a member by: its own id. */
  async #members(tx: Tx, events: readonly WebhookEvent[]): Promise<Map<string, { id: string; externalId: string }>> {
    const ids = [...new Set(events.flatMap((event) => event.memberId ?? []))];
    if (ids.length === 0) return new Map();
    const rows = await tx.member.findMany({ where: { id: { in: ids } }, select: { id: true, externalId: true } });
    return new Map(rows.map((row) => [row.id, row]));
  }
}

const json = (payload: object): object => JSON.parse(JSON.stringify(payload)) as object;
