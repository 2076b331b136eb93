import { fresh, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

/** A gateway on a host of its own, so that nobody else's is on it. */
const aGateway =
  (quarantined: boolean) =>
  async ({ tenantId, sql }: Actor): Promise<string[]> => {
    const id = fresh('gw');
    await sql(
      `INSERT INTO hosts (id, name, driver, port_from, port_to, state) VALUES ($1, $1, 'process', 1, 2, 'cordoned')`,
      [id],
    );
    await sql(
      `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, quarantined_at, updated_at)
       VALUES ($1, $2, $1, 'shared', 'wirebot', 'i', '{}', 'ready', CASE WHEN $3 THEN now() END, now())`,
      [id, tenantId, quarantined],
    );
    return [id];
  };

const aFinding = async ({ sql }: Actor): Promise<string[]> => {
  const id = fresh('fnd');
  await sql(
    `INSERT INTO hosts (id, name, driver, port_from, port_to, state) VALUES ($1, $1, 'process', 1, 2, 'removed')`,
    [id],
  );
  await sql(
    `INSERT INTO inventory_findings (id, host_id, kind, name, reason, message)
     VALUES ($1, $1, 'container', 'gw_1', 'unknown-gateway', 'It runs here.')`,
    [id],
  );
  return [id];
};

/** What operators look at and do when something is wrong with a gateway. */
export const CARE_CALLS: RouteCalls = {
  'GET /v1/admin/gateways/:id/diagnostics': { target: aGateway(false) },
  'GET /v1/admin/gateways/:id/metrics': { target: aGateway(false) },
  'POST /v1/admin/gateways/:id/quarantine': { target: aGateway(false) },
  'POST /v1/admin/gateways/:id/release': { target: aGateway(true) },
  'GET /v1/admin/doctor': {},
  'POST /v1/admin/doctor/repair': {},
  'GET /v1/admin/findings': {},
  'POST /v1/admin/findings/confirm': {
    target: aFinding,
    body: ([hostId]) => ({ hostId, reason: 'unknown-gateway', count: 1 }),
  },
  'POST /v1/admin/findings/:id/ignore': { target: aFinding },
};
