import { fresh, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const aTenant = async (actor: Actor): Promise<string[]> => {
  const slug = fresh('club');
  return [
    (await actor.operate<{ id: string }>('POST', '/v1/admin/tenants', { slug, name: slug, template: 'network' })).id,
  ];
};

/** A tenant after these steps of its life. */
const tenantAfter =
  (...steps: readonly (readonly [string, object])[]) =>
  async (actor: Actor): Promise<string[]> => {
    const [id] = await aTenant(actor);
    for (const [step, body] of steps) await actor.operate('POST', `/v1/admin/tenants/${id}/${step}`, body);
    return [id!];
  };

const anOperatorKey = async (actor: Actor): Promise<string[]> => [
  (await actor.operate<{ id: string }>('POST', '/v1/admin/keys', { name: 'made', scopes: ['members:read'] })).id,
];

const aGateway = async ({ tenantId, sql }: Actor): Promise<string[]> => {
  const id = fresh('gw');
  await sql(
    `INSERT INTO hosts (id, name, driver, port_from, port_to, state) VALUES ($1, $1, 'process', 1, 2, 'cordoned')`,
    [id],
  );
  await sql(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, updated_at)
     VALUES ($1, $2, $1, 'shared', 'wirebot', 'i', '{}', 'ready', now())`,
    [id, tenantId],
  );
  return [id];
};

/** What operators may call. */
export const ADMIN_CALLS: RouteCalls = {
  'GET /v1/admin/audit': {},
  'GET /v1/admin/audit/export': {
    target: async ({ tenantId }) => [tenantId],
    query: ([tenantId]) => `tenantId=${tenantId}`,
  },
  'POST /v1/admin/audit/verify': {
    target: async ({ tenantId }) => [tenantId],
    body: ([tenantId]) => ({ tenantId }),
  },
  'GET /v1/admin/gateways': {},
  'GET /v1/admin/gateways/:id/logs': { target: aGateway, good: [200, 503] },
  'POST /v1/admin/gateways/:id/restart': { target: aGateway },
  'GET /v1/admin/keys': {},
  'POST /v1/admin/keys': { body: { name: 'made', scopes: ['members:read'] } },
  'GET /v1/admin/keys/:id': { target: anOperatorKey },
  'DELETE /v1/admin/keys/:id': { target: anOperatorKey },
  'POST /v1/admin/keys/:id/rotate': { target: anOperatorKey, body: {} },
  'GET /v1/admin/members': {},
  'GET /v1/admin/operations': {},
  'GET /v1/admin/signing-keys': {},
  'POST /v1/admin/signing-keys/rotate': { body: {} },
  'GET /v1/admin/tenants': {},
  'POST /v1/admin/tenants': { body: { slug: 'made-by-call', name: 'Made', template: 'network' } },
  'GET /v1/admin/tenants/:id': { target: aTenant },
  'PATCH /v1/admin/tenants/:id': { target: aTenant, body: { platformTrustCeiling: 2 } },
  'POST /v1/admin/tenants/:id/suspend': { target: aTenant, body: { reason: 'unpaid' } },
  'POST /v1/admin/tenants/:id/resume': { target: tenantAfter(['suspend', { reason: 'unpaid' }]) },
  'POST /v1/admin/tenants/:id/close': { target: aTenant, body: {} },
  'POST /v1/admin/tenants/:id/reopen': { target: tenantAfter(['close', {}]) },
  'POST /v1/admin/tenants/:id/erase': { target: tenantAfter(['close', {}]) },
  'GET /v1/admin/tenants/:id/keys': { target: aTenant },
  'POST /v1/admin/tenants/:id/keys': { target: aTenant, body: { name: 'made', scopes: ['members:read'] } },
  'GET /v1/admin/tiers': {},
};
