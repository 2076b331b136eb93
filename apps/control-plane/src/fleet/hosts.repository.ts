import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { conditionsOf } from '../provisioning/conditions.js';
import { type HeldUp, type HostDetail, type HostView, toHostView } from './host-view.js';
import type { HostRow } from './hosts.service.js';

/** Agents that are held up are named one by one up to this many. */
const MOST_HELD_UP = 20;

interface UseRow {
  readonly id: string;
  readonly gateways: number;
  readonly agents: number;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly ports: number;
  readonly secret: boolean;
}

/** Hosts with what is on them. */
@Injectable()
export class HostsRepository {
  async find(tx: Tx, id: string): Promise<HostRow | undefined> {
    return (await tx.host.findFirst({ where: { id, state: { not: 'removed' } } })) ?? undefined;
  }

  async list(tx: Tx, after: string | undefined, limit: number): Promise<HostRow[]> {
    const where = { state: { not: 'removed' }, ...(after ? { id: { gt: after } } : {}) };
    return tx.host.findMany({ where, orderBy: { id: 'asc' }, take: limit });
  }

  async views(tx: Tx, rows: readonly HostRow[]): Promise<HostView[]> {
    const used = await this.#use(
      tx,
      rows.map((row) => row.id),
    );
    return Promise.all(rows.map(async (row) => toHostView(row, await this.#detail(tx, row, used.get(row.id)))));
  }

  async view(tx: Tx, row: HostRow): Promise<HostView> {
    return (await this.views(tx, [row]))[0]!;
  }

  /** What keeps a host from being removed. An erasure that waits for a lost host ends with it. */
  async left(tx: Tx, hostId: string, lost: boolean): Promise<{ readonly gateways: number; readonly agents: number }> {
    const gateways = lost ? 0 : await tx.gateway.count({ where: { hostId, phase: { not: 'deleted' } } });
    const at = { hostId, phase: { not: 'deleted' } };
    const where = { desiredState: { not: 'erased' }, OR: [{ gateway: at }, { targetGateway: at }] };
    return { gateways, agents: await tx.agent.count({ where }) };
  }

  async #detail(tx: Tx, row: HostRow, used: UseRow | undefined): Promise<HostDetail> {
    const { gateways = 0, agents = 0, memoryMb = 0, cpus = 0, ports = 0, secret = false } = used ?? {};
    const freePorts = Math.max(0, Math.floor((row.portTo - row.portFrom + 1) / 2) - ports);
    const drain = row.state === 'draining' || row.state === 'lost' ? await this.#drain(tx, row.id) : null;
    return { use: { gateways, agents, memoryMb, cpus, freePorts }, hasCredentials: secret, drain };
  }

  async #use(tx: Tx, ids: readonly string[]): Promise<Map<string, UseRow>> {
    const rows = await tx.$queryRaw<UseRow[]>`
      SELECT h.id, count(g.id)::int AS gateways, coalesce(sum(a.agents), 0)::int AS agents,
        coalesce(sum((g.resources->>'memoryMb')::float8), 0)::float8 AS "memoryMb",
        coalesce(sum((g.resources->>'cpus')::float8), 0)::float8 AS cpus, count(g.port)::int AS ports,
        EXISTS (SELECT 1 FROM host_credentials c WHERE c.host_id = h.id) AS secret
      FROM hosts h LEFT JOIN gateways g ON g.host_id = h.id AND g.phase <> 'deleted'
      LEFT JOIN LATERAL (SELECT count(*) AS agents FROM agents WHERE gateway_id = g.id AND phase <> 'deleted') a ON true
      WHERE h.id = ANY(${ids as string[]}) GROUP BY h.id`;
    return new Map(rows.map((row) => [row.id, row]));
  }

  async #drain(tx: Tx, hostId: string): Promise<HostView['drain']> {
    const where = { gateway: { hostId }, phase: { not: 'deleted' } };
    const select = { id: true, phase: true, targetGatewayId: true, conditions: true, failures: true };
    const left = await tx.agent.count({ where });
    const moving = await tx.agent.count({ where: { ...where, targetGatewayId: { not: null } } });
    const stuck = await tx.agent.findMany({
      where: { ...where, OR: [{ failures: { gt: 0 } }, { phase: 'failed' }] },
      select,
      orderBy: { id: 'asc' },
      take: MOST_HELD_UP,
    });
    return { left, moving, heldUp: stuck.flatMap(heldUp) };
  }
}

function heldUp(agent: { readonly id: string; readonly conditions: unknown }): HeldUp[] {
  const bad = conditionsOf(agent.conditions).find(
    ({ type, status, reason }) => !status && (type === 'Ready' || reason !== 'moved'),
  );
  return bad ? [{ agentId: agent.id, reason: bad.reason, message: bad.message }] : [];
}
