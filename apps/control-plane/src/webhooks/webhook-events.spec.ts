import { describe, expect, it } from 'vitest';
import type { OutboxEvent } from '../events/outbox.reader.js';
import { toPayload, toWebhookEvent } from './webhook-events.js';
import { MAX_ATTEMPTS, nextAttemptIn, RETRY_AFTER_SECONDS, retryAfterOf } from './webhook-schedule.js';

const at = new Date('2026-11-21T10:00:00Z');
const outbox = (topic: string, type: string, data: unknown): OutboxEvent => ({
  cursor: { txid: 7n, seq: 42n },
  topic,
  tenantId: 'ten_1',
  aggregateId: 'x_1',
  type,
  data,
  at,
});

describe('toWebhookEvent', () => {
  it.each([
    ['members', 'provision', { before: null, tier: 'wire' }, 'member.created'],
    ['members', 'change-tier', { before: { tier: 'free' }, tier: 'wire' }, 'member.tier-changed'],
    ['members', 'cancel', {}, 'member.cancelled'],
    ['members', 'erase', {}, 'member.erasure-requested'],
    ['operations', 'done', { status: 'succeeded' }, 'operation.succeeded'],
    ['operations', 'done', { status: 'failed' }, 'operation.failed'],
    ['agents', 'phase', { phase: 'ready' }, 'agent.ready'],
    ['agents', 'phase', { phase: 'failed', reason: 'image-missing' }, 'agent.failed'],
    ['tenants', 'suspend', { reason: 'unpaid' }, 'tenant.suspended'],
    ['tenants', 'tier.update', { tier: 'wire' }, 'tier.changed'],
    ['secrets', 'provider-key.refused', {}, 'provider-key.refused'],
    ['usage', 'quota.warning', { scope: 'member', memberId: 'mem_1' }, 'quota.warning'],
  ])('%s/%s %j is %s', (topic, type, data, expected) => {
    expect(toWebhookEvent(outbox(topic, type, data))).toMatchObject({
      id: 'evt_42',
      tenantId: 'ten_1',
      type: expected,
      at,
    });
  });

  it.each([
    ['members', 'provision', { before: { tier: 'wire' } }],
    ['operations', 'step', { status: 'running' }],
    ['operations', 'done', { status: 'cancelled' }],
    ['agents', 'phase', { phase: 'starting' }],
    ['gateways', 'phase', { phase: 'ready' }],
    ['members', 'toString', {}],
    ['trust', 'constructor', null],
    ['tenants', 'update', {}],
  ])('%s/%s %j is nobody’s business', (topic, type, data) => {
    expect(toWebhookEvent(outbox(topic, type, data))).toBeUndefined();
  });

  it('makes a payload of type, timestamp and data, with the member as the tenant knows them', () => {
    const event = toWebhookEvent(
      outbox('members', 'pause', { tier: 'wire', before: { tier: 'wire', status: 'active' } }),
    )!;
    expect(toPayload(event, { id: 'x_1', externalId: 'wp-7' })).toEqual({
      type: 'member.paused',
      timestamp: '2026-11-21T10:00:00.000Z',
      data: { tier: 'wire', before: { tier: 'wire', status: 'active' }, member: { id: 'x_1', externalId: 'wp-7' } },
    });
  });
});

describe('the retry schedule', () => {
  it('waits longer each time, spread by a quarter at most, and ends', () => {
    for (const [index, seconds] of RETRY_AFTER_SECONDS.entries()) {
      expect(nextAttemptIn(index + 1, null, () => 0)).toBe(seconds * 1_000);
      expect(nextAttemptIn(index + 1, null, () => 0.999_999)).toBeLessThanOrEqual(seconds * 1_250);
    }
    expect(nextAttemptIn(MAX_ATTEMPTS, null)).toBeNull();
  });

  it('gives a receiver the time it asks for, up to a day', () => {
    expect(nextAttemptIn(1, 3_600, () => 0)).toBe(3_600_000);
    expect(nextAttemptIn(1, 10_000_000, () => 0)).toBe(86_400_000);
    expect(nextAttemptIn(5, 1, () => 0)).toBe(18_000_000);
  });

  it('reads Retry-After as seconds or as a date', () => {
    expect(retryAfterOf('120', at)).toBe(120);
    expect(retryAfterOf('Sat, 21 Nov 2026 10:01:00 GMT', at)).toBe(60);
    expect(retryAfterOf('Sat, 21 Nov 2020 10:01:00 GMT', at)).toBe(0);
    expect(retryAfterOf('soon', at)).toBeNull();
    expect(retryAfterOf(undefined, at)).toBeNull();
  });
});
