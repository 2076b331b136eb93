import { fresh, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const aRollout = async ({ sql }: Actor): Promise<string[]> => {
  const id = fresh('rol');
  await sql(
    `INSERT INTO rollouts (id, image, requested, policy, status, actor, updated_at)
     VALUES ($1, 'i', 'i', '{}', 'paused', 'key:test', now())`,
    [id],
  );
  return [id];
};

const aGateway = async ({ tenantId, sql }: Actor): Promise<string[]> => {
  const id = fresh('gw');
  await sql(`INSERT INTO hosts (id, name, driver, port_from, port_to) VALUES ($1, $1, 'process', 1, 2)`, [id]);
  await sql(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, updated_at)
     VALUES ($1, $2, $1, 'shared', 'wirebot', 'i', '{}', 'ready', now())`,
    [id, tenantId],
  );
  return [id];
};

/** Upgrades. */
export const ROLLOUT_CALLS: RouteCalls = {
  'GET /v1/admin/rollouts': {},
  'POST /v1/admin/rollouts': { body: { image: 'wirebot/gateway:next', scope: { kind: 'dedicated' } } },
  'GET /v1/admin/rollouts/:id': { target: aRollout },
  'GET /v1/admin/rollouts/:id/targets': { target: aRollout },
  'POST /v1/admin/rollouts/:id/pause': { target: aRollout, body: {} },
  'POST /v1/admin/rollouts/:id/resume': { target: aRollout, body: {} },
  'POST /v1/admin/rollouts/:id/abort': { target: aRollout, body: {} },
  'POST /v1/admin/gateways/:id/upgrade': { target: aGateway, body: { image: 'wirebot/gateway:next' } },
};
