import { aMember, fresh, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

/** One on which nothing has happened since now. */
const anIdleGateway = async ({ tenantId, sql }: Actor): Promise<string[]> => {
  const id = fresh('gw');
  await sql(`INSERT INTO hosts (id, name, driver, port_from, port_to) VALUES ($1, $1, 'process', 1, 2)`, [id]);
  await sql(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, idle_since, updated_at)
     VALUES ($1, $2, $1, 'shared', 'wirebot', 'i', '{}', 'ready', now(), now())`,
    [id, tenantId],
  );
  return [id];
};

/** Sleep and waking. */
export const SLEEP_CALLS: RouteCalls = {
  // Nobody's gateway runs here: a wish for an agent is good when it is understood.
  'POST /internal/wake': { target: aMember, body: ([externalId]) => ({ agentId: externalId }), good: [404] },
  'POST /v1/admin/gateways/:id/suspend': { target: anIdleGateway },
  'POST /v1/admin/gateways/:id/wake': { target: anIdleGateway },
};
