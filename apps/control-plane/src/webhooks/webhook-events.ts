import type { OutboxEvent } from '../events/outbox.reader.js';

/** Every event a tenant can subscribe to, with when it is sent. */
export const WEBHOOK_EVENTS = {
  'member.created': 'A member was provisioned for the first time.',
  'member.updated': 'E-mail, name or settings of a member changed.',
  'member.tier-changed': 'A member got another tier.',
  'member.paused': 'A member was paused.',
  'member.resumed': 'A member was resumed.',
  'member.cancelled': 'A member was cancelled.',
  'member.erasure-requested': 'The erasure of a member was asked for.',
  'operation.succeeded': 'A provisioning, a move, a cancellation or another operation is done.',
  'operation.failed': 'An operation failed; `data.operation.error` says why.',
  'agent.ready': 'An agent answers.',
  'agent.failed': 'An agent cannot answer; `data.reason` says why. It is still tried.',
  'trust.changed': "A member's trust ceiling rose or fell.",
  'quota.warning': 'A daily limit is used up to 80 %.',
  'quota.exhausted': 'A daily limit is used up.',
  'provider-key.refused': 'The model provider refused an own key; agents that need it cannot answer.',
  'tenant.suspended': 'The tenant was suspended.',
  'tenant.resumed': 'The tenant was resumed.',
  'tenant.closed': 'The tenant was closed; its data is erased at `data.eraseAfter`.',
  'tier.changed': 'A tier was created, changed or retired.',
  'webhook.test': 'Sent when you ask for it, to try an endpoint.',
} as const satisfies Record<string, string>;
export type WebhookEventType = keyof typeof WEBHOOK_EVENTS;

export const isWebhookEvent = (type: string): type is WebhookEventType => Object.hasOwn(WEBHOOK_EVENTS, type);

/** What goes out for one event of the outbox. */
export interface WebhookEvent {
  /** `webhook-id`: the same for every attempt and replay. */
  readonly id: string;
  readonly tenantId: string;
  readonly type: WebhookEventType;
  readonly at: Date;
  /** The member it is about: the external id is added from the row. */
  readonly memberId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

type Fields = Readonly<Record<string, unknown>>;

const MEMBER_TYPES: ReadonlyMap<string, WebhookEventType> = new Map(
  Object.entries({
    update: 'member.updated',
    'change-tier': 'member.tier-changed',
    pause: 'member.paused',
    resume: 'member.resumed',
    cancel: 'member.cancelled',
    erase: 'member.erasure-requested',
  } as const),
);

function memberEvent(event: OutboxEvent, data: Fields): Pick<WebhookEvent, 'type' | 'data' | 'memberId'> | undefined {
  const type = event.type === 'provision' && data['before'] === null ? 'member.created' : MEMBER_TYPES.get(event.type);
  if (!type) return undefined;
  return { type, memberId: event.aggregateId, data: { tier: data['tier'], before: data['before'] } };
}

function operationEvent(
  event: OutboxEvent,
  data: Fields,
): Pick<WebhookEvent, 'type' | 'data' | 'memberId'> | undefined {
  const { status } = data;
  if (event.type !== 'done' || (status !== 'succeeded' && status !== 'failed')) return undefined;
  const { id, kind, result, error, createdAt, finishedAt } = data;
  const operation = { id, kind, status, result, error, createdAt, finishedAt };
  return { type: `operation.${status}`, memberId: null, data: { operation } };
}

function agentEvent(event: OutboxEvent, data: Fields): Pick<WebhookEvent, 'type' | 'data' | 'memberId'> | undefined {
  const { phase, reason } = data;
  if (event.type !== 'phase' || (phase !== 'ready' && phase !== 'failed')) return undefined;
  return { type: `agent.${phase}`, memberId: null, data: { agentId: event.aggregateId, reason } };
}

const TENANT_TYPES: ReadonlyMap<string, WebhookEventType> = new Map(
  Object.entries({
    suspend: 'tenant.suspended',
    resume: 'tenant.resumed',
    close: 'tenant.closed',
  } as const),
);

function tenantEvent(event: OutboxEvent, data: Fields): Pick<WebhookEvent, 'type' | 'data' | 'memberId'> | undefined {
  const type = event.type.startsWith('tier.') ? 'tier.changed' : TENANT_TYPES.get(event.type);
  return type && { type, memberId: null, data: type === 'tier.changed' ? { change: event.type, ...data } : data };
}

/** The webhook event of an outbox event; undefined when nobody outside has to hear of it. */
export function toWebhookEvent(event: OutboxEvent): WebhookEvent | undefined {
  const data = (event.data ?? {}) as Fields;
  const common = { id: `evt_${event.cursor.seq}`, tenantId: event.tenantId, at: event.at };
  if (isWebhookEvent(event.type)) {
    const memberId = typeof data['memberId'] === 'string' ? data['memberId'] : null;
    return { ...common, type: event.type, memberId, data };
  }
  if (event.topic === 'members') return join(common, memberEvent(event, data));
  if (event.topic === 'operations') return join(common, operationEvent(event, data));
  if (event.topic === 'agents') return join(common, agentEvent(event, data));
  if (event.topic === 'tenants') return join(common, tenantEvent(event, data));
  return undefined;
}

const join = (
  common: Pick<WebhookEvent, 'id' | 'tenantId' | 'at'>,
  own: Pick<WebhookEvent, 'type' | 'data' | 'memberId'> | undefined,
): WebhookEvent | undefined => own && { ...common, ...own };

/** The body as it is signed and sent (Standard Webhooks: type, timestamp, data). */
export const toPayload = (event: WebhookEvent, member: { id: string; externalId: string } | undefined) => ({
  type: event.type,
  timestamp: event.at.toISOString(),
  data: { ...event.data, ...(member ? { member } : {}) },
});
