import type { Attempt } from './webhook-sender.js';
import type { DeliveryRow, EndpointRow } from './webhooks.repository.js';

export interface WebhookView {
  readonly id: string;
  readonly url: string;
  readonly description: string | null;
  readonly events: readonly string[];
  readonly status: string;
  /** Why it was disabled by itself. */
  readonly disabledReason: string | null;
  readonly failingSince: string | null;
  /** Until then deliveries carry a second signature, by the secret before. */
  readonly previousSecretUntil: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const toWebhookView = (row: EndpointRow): WebhookView => ({
  id: row.id,
  url: row.url,
  description: row.description,
  events: row.events,
  status: row.status,
  disabledReason: row.disabledReason,
  failingSince: row.failingSince?.toISOString() ?? null,
  previousSecretUntil: row.previousUntil?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

export interface DeliveryView {
  readonly id: string;
  readonly eventId: string;
  readonly type: string;
  readonly status: string;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
  readonly log: readonly Attempt[];
  readonly payload: unknown;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

export const toDeliveryView = (row: DeliveryRow): DeliveryView => ({
  id: row.id,
  eventId: row.eventId,
  type: row.type,
  status: row.status,
  attempts: row.attempts,
  nextAttemptAt: row.status === 'pending' ? (row.dueAt?.toISOString() ?? null) : null,
  log: row.log as unknown as readonly Attempt[],
  payload: row.payload,
  createdAt: row.createdAt.toISOString(),
  finishedAt: row.finishedAt?.toISOString() ?? null,
});
