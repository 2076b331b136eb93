import { fresh, freshMember, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const FOLDERS = { stateRoot: '/var/lib/wirebot', secretsRoot: '/run/wirebot/secrets' };
/** No engine answers there. */
const NOWHERE = { kind: 'unix', socketPath: '/nonexistent/docker.sock', ...FOLDERS };

const aHost = async ({ sql }: Actor): Promise<string[]> => {
  const id = fresh('hst');
  await sql(
    `INSERT INTO hosts (id, name, driver, port_from, port_to, state, connection) VALUES ($1, $1, 'docker', 30000, 30009, 'cordoned', $2)`,
    [id, JSON.stringify(NOWHERE)],
  );
  return [id];
};

const anAgent = async (actor: Actor): Promise<string[]> => {
  const { memberId } = await freshMember(actor);
  const rows = await actor.sql<{ id: string }>('SELECT id FROM agents WHERE member_id = $1', [memberId]);
  return [rows[0]!.id];
};

/** Hosts, and moves between them. */
export const HOST_CALLS: RouteCalls = {
  'GET /v1/admin/hosts': {},
  'POST /v1/admin/hosts': {
    body: { name: 'tried', connection: NOWHERE, ports: { from: 30_000, to: 30_009 } },
    good: [422],
  },
  'GET /v1/admin/hosts/:id': { target: aHost },
  'PATCH /v1/admin/hosts/:id': { target: aHost, body: { capacity: { gateways: 3 } } },
  'DELETE /v1/admin/hosts/:id': { target: aHost },
  'POST /v1/admin/hosts/:id/probe': { target: aHost, good: [422] },
  'POST /v1/admin/hosts/:id/cordon': { target: aHost, body: {} },
  'POST /v1/admin/hosts/:id/uncordon': { target: aHost },
  'POST /v1/admin/hosts/:id/drain': { target: aHost, body: {} },
  'POST /v1/admin/hosts/:id/lost': { target: aHost, body: {} },
  'POST /v1/admin/agents/:id/move': { target: anAgent, body: {}, good: [202, 409] },
};
