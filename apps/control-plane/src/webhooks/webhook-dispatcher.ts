import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Log } from '../log.js';
import { DISABLE_AFTER_MS, nextAttemptIn } from './webhook-schedule.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { type AttemptResult, WebhookSender } from './webhook-sender.js';
import { WebhookOutcomes } from './webhook-outcomes.js';
import type { DeliveryRow, EndpointRow } from './webhooks.repository.js';

/** Calls at the same time in one process, and to one endpoint. */
const CONCURRENCY = 32;
const PER_ENDPOINT = 4;
/** Longer than a call can take: when it ends, its process has died. */
const LEASE_SECONDS = 60;

type Claimed = DeliveryRow & { readonly endpoint: EndpointRow };

/**
 * Sends what is due. A delivery is claimed by a lease in one statement, so several processes share the work; a process that
 * dies in the middle of a call leaves a lease that ends, and the receiver sees the same `webhook-id` again.
 */
@Injectable()
export class WebhookDispatcher {
  readonly #running = new Set<Promise<void>>();
  readonly #perEndpoint = new Map<string, number>();
  #onWake: (() => void) | undefined;

  constructor(
    private readonly database: Database,
    private readonly sender: WebhookSender,
    private readonly secrets: WebhookSecrets,
    private readonly outcomes: WebhookOutcomes,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Asks for a look now, in this process. */
  wake(): void {
    this.#onWake?.();
  }

  connect(onWake: () => void): void {
    this.#onWake = onWake;
  }

  /** Starts what is due and there is room for; resolves with how many, without waiting for them. */
  async run(signal: AbortSignal): Promise<number> {
    const room = CONCURRENCY - this.#running.size;
    if (room <= 0) return 0;
    const busy = [...this.#perEndpoint].filter(([, count]) => count >= PER_ENDPOINT).map(([id]) => id);
    const claimed = await this.#claim(room, busy);
    for (const delivery of claimed) this.#start(delivery, signal);
    return claimed.length;
  }

  /** Resolves once nothing runs. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  async #claim(limit: number, busy: readonly string[]): Promise<Claimed[]> {
    const now = this.clock.now();
    const until = new Date(now.getTime() + LEASE_SECONDS * 1_000);
    return this.database.system(async (tx) => {
      // At most so many of one endpoint in one go: a slow receiver never takes everybody's room.
      const rows = await tx.$queryRaw<{ id: string }[]>`
        UPDATE webhook_deliveries SET lease_until = ${until} WHERE id IN (
          SELECT d.id FROM webhook_deliveries d WHERE d.id IN (
            SELECT ranked.id FROM (
              SELECT w.id, w.due_at, row_number() OVER (PARTITION BY w.endpoint_id ORDER BY w.due_at, w.id) AS place
              FROM webhook_deliveries w JOIN webhook_endpoints e ON e.id = w.endpoint_id
              WHERE w.status = 'pending' AND w.due_at <= ${now} AND (w.lease_until IS NULL OR w.lease_until < ${now})
                AND e.status = 'active' AND NOT (w.endpoint_id = ANY(${[...busy]}::text[]))
            ) ranked WHERE ranked.place <= ${PER_ENDPOINT} ORDER BY ranked.due_at, ranked.id LIMIT ${limit})
            AND d.status = 'pending' AND (d.lease_until IS NULL OR d.lease_until < ${now})
          FOR UPDATE SKIP LOCKED)
        RETURNING id`;
      if (rows.length === 0) return [];
      const ids = rows.map((row) => row.id);
      return tx.webhookDelivery.findMany({
        where: { id: { in: ids } },
        include: { endpoint: true },
        orderBy: { id: 'asc' },
      });
    });
  }

  #start(delivery: Claimed, signal: AbortSignal): void {
    const { endpointId } = delivery;
    this.#perEndpoint.set(endpointId, (this.#perEndpoint.get(endpointId) ?? 0) + 1);
    const running = this.#attempt(delivery, signal)
      .catch((err: unknown) => this.log.error({ err, delivery: delivery.id }, 'webhook attempt could not be recorded'))
      .finally(() => {
        const rest = (this.#perEndpoint.get(endpointId) ?? 1) - 1;
        if (rest > 0) this.#perEndpoint.set(endpointId, rest);
        else this.#perEndpoint.delete(endpointId);
        this.#running.delete(running);
        this.wake();
      });
    this.#running.add(running);
  }

  async #attempt(delivery: Claimed, signal: AbortSignal): Promise<void> {
    const { endpoint, eventId, payload } = delivery;
    const secrets = await this.secrets.of(endpoint);
    const result = await this.sender.send(
      { url: endpoint.url, eventId, body: JSON.stringify(payload), secrets },
      signal,
    );
    // The process stops: the attempt did not count, and whoever comes next sends it.
    if (signal.aborted && result.outcome === 'failed') return this.outcomes.giveBack(delivery);
    await this.#conclude(delivery, result);
  }

  async #conclude(delivery: Claimed, result: AttemptResult): Promise<void> {
    if (result.outcome === 'delivered') return this.outcomes.delivered(delivery, result.attempt);
    const wait = result.outcome === 'gone' ? null : nextAttemptIn(delivery.attempts + 1, result.retryAfter);
    await this.outcomes.failed(delivery, result.attempt, wait);
    if (result.outcome === 'gone') return this.outcomes.disable(delivery.endpoint, 'the receiver answered 410 Gone');
    const since = delivery.endpoint.failingSince;
    if (since && this.clock.now().getTime() - since.getTime() > DISABLE_AFTER_MS)
      await this.outcomes.disable(delivery.endpoint, 'it has failed for five days without one success');
  }
}
