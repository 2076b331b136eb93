import { exportContext } from '../../../members/export/member-export-runner.js';
import { aMember, fresh, freshMember, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const NAMES_OF_THEIR_OWN = 'a member’s external id is a name of the tenant’s own site';

const aKey = async (actor: Actor): Promise<string[]> => [
  (await actor.call<{ id: string }>('POST', '/v1/keys', { name: 'made', scopes: ['members:read'] })).id,
];

const aSecret = async (actor: Actor): Promise<string[]> => {
  const name = fresh('secret');
  await actor.call('PUT', `/v1/secrets/gateway/${name}`, { value: 'a value' });
  return ['gateway', name];
};

const anOperation = async (actor: Actor): Promise<string[]> => [(await freshMember(actor)).operationId];

const anExport = async (actor: Actor): Promise<string[]> => {
  const { memberId, operationId: id } = await freshMember(actor);
  await actor.sql(
    `INSERT INTO member_exports (id, tenant_id, member_id, operation_id, sealed, bytes, expires_at)
     VALUES ($1, $2, $3, $1, $4, 2, now() + interval '1 day')`,
    [id, actor.tenantId, memberId, await actor.seal('{}', exportContext(id))],
  );
  return [id];
};

const aPausedMember = async (actor: Actor): Promise<string[]> => {
  const [externalId] = await aMember(actor);
  await actor.call('POST', `/v1/members/${externalId}/pause`);
  return [externalId!];
};

const HOOK = { url: 'http://127.0.0.1:9/hook', events: ['*'] };
/** A tenant has few of them: the one before makes room. */
const aWebhook = async (actor: Actor): Promise<string[]> => {
  await actor.sql('DELETE FROM webhook_endpoints WHERE tenant_id = $1', [actor.tenantId]);
  return [(await actor.call<{ id: string }>('POST', '/v1/webhooks', HOOK)).id];
};
const aDelivery = async (actor: Actor): Promise<string[]> => {
  const [id] = await aWebhook(actor);
  return [id!, (await actor.call<{ id: string }>('POST', `/v1/webhooks/${id}/test`)).id];
};
const aFailedDelivery = async (actor: Actor): Promise<string[]> => {
  const names = await aDelivery(actor);
  await actor.sql(`UPDATE webhook_deliveries SET status = 'failed', due_at = NULL WHERE id = $1`, [names[1]]);
  return names;
};

/** What a tenant's keys and staff may call. */
export const TENANT_CALLS: RouteCalls = {
  'GET /v1/audit': {},
  'GET /v1/audit/export': {},
  'GET /v1/audit/verify': {},
  'GET /v1/keys': {},
  'POST /v1/keys': { body: { name: 'made', scopes: ['members:read'] } },
  'GET /v1/keys/:id': { target: aKey },
  'DELETE /v1/keys/:id': { target: aKey },
  'POST /v1/keys/:id/rotate': { target: aKey, body: {} },
  'GET /v1/members': {},
  'GET /v1/members/:externalId': { target: aMember },
  'PUT /v1/members/:externalId': {
    target: aMember,
    body: { email: 'changed@example.com', tier: 'wire' },
    stranger: { status: 202, because: NAMES_OF_THEIR_OWN },
  },
  'POST /v1/members/:externalId/pause': { target: aMember },
  'POST /v1/members/:externalId/resume': { target: aPausedMember },
  'POST /v1/members/:externalId/cancel': { target: aMember },
  'POST /v1/members/:externalId/erase': { target: aMember },
  'POST /v1/members/:externalId/sign-in-links': { target: aMember, good: [201, 409] },
  'POST /v1/members/:externalId/export': { target: aMember },
  'GET /v1/exports/:id': { target: anExport },
  'GET /v1/operations': {},
  'GET /v1/operations/:id': { target: anOperation },
  'GET /v1/operations/:id/events': { target: anOperation, endless: true },
  'GET /v1/secrets': {},
  'GET /v1/secrets/:purpose/:name': { target: aSecret },
  'PUT /v1/secrets/:purpose/:name': {
    target: aSecret,
    body: { value: 'another value' },
    stranger: { status: 201, because: 'a secret’s name is the tenant’s own' },
  },
  'DELETE /v1/secrets/:purpose/:name': { target: aSecret },
  'GET /v1/tenant': {},
  'PATCH /v1/tenant': { body: { name: 'Renamed' } },
  'POST /v1/tenants': {
    by: 'operator',
    target: aMember,
    body: ([user_id]) => ({ tenant_id: 'site', user_id, tier: 'wire' }),
    stranger: { status: 201, because: NAMES_OF_THEIR_OWN },
  },
  'POST /v1/tokens': { target: aMember, body: ([member]) => ({ member, surface: 'web' }), good: [201, 409] },
  'POST /v1/tokens/revoke': { target: aMember, body: ([member]) => ({ member }) },
  'GET /v1/webhooks': {},
  'GET /v1/webhooks/event-types': { tenantless: 'a list that is the same for everybody' },
  'POST /v1/webhooks': { body: HOOK },
  'GET /v1/webhooks/:id': { target: aWebhook },
  'PATCH /v1/webhooks/:id': { target: aWebhook, body: { description: 'changed' } },
  'DELETE /v1/webhooks/:id': { target: aWebhook },
  'POST /v1/webhooks/:id/rotate-secret': { target: aWebhook, body: {} },
  'POST /v1/webhooks/:id/test': { target: aWebhook },
  'GET /v1/webhooks/:id/deliveries': { target: aWebhook },
  'POST /v1/webhooks/:id/replay-failed': { target: aWebhook, body: { since: '2026-01-01T00:00:00Z' } },
  'GET /v1/webhooks/:id/deliveries/:delivery': { target: aDelivery },
  'POST /v1/webhooks/:id/deliveries/:delivery/replay': { target: aFailedDelivery },
  // Last: nothing of the tenant can be called afterwards.
  'POST /v1/tenant/close': {},
};
