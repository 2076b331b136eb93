import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Prisma, Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import type { TierResources } from '#libs/trust';
import { HostsService } from '../fleet/hosts.service.js';
import { PortRangeFull } from './provisioning.errors.js';
import type { AgentRecord } from './resources.repository.js';

/** Chooses the gateway for an agent: a shared cell with room, else a new gateway with a reserved port. */
@Injectable()
export class PlacementService {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly hosts: HostsService,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /**
   * Reserves a place in the caller's transaction and returns the gateway's id. One placement of a tenant at a time, so
   * a cell is never overfilled. Throws PortRangeFull; nothing is reserved then.
   */
  async reserve(tx: Tx, agent: AgentRecord): Promise<string> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`place:${agent.tenantId}`}, 0))`;
    if (agent.desiredKind === 'shared') {
      const cell = await this.#cellWithRoom(tx, agent);
      if (cell) return cell;
    }
    return this.#create(tx, agent);
  }

  /** The fullest cell that still has room: fewer processes for the same agents. */
  async #cellWithRoom(tx: Tx, agent: AgentRecord): Promise<string | undefined> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      SELECT g.id FROM gateways g
      LEFT JOIN agents a ON a.desired_state <> 'erased' AND (a.gateway_id = g.id OR a.target_gateway_id = g.id)
      WHERE g.tenant_id = ${agent.tenantId} AND g.kind = 'shared' AND g.desired_state = 'running' AND g.phase NOT IN ('failed', 'lost')
        AND g.id IS DISTINCT FROM ${agent.gatewayId}
      GROUP BY g.id HAVING count(a.id) < ${this.config.sharedCellSize}
      ORDER BY count(a.id) DESC, g.id LIMIT 1`;
    return rows[0]?.id;
  }

  async #create(tx: Tx, agent: AgentRecord): Promise<string> {
    const host = await this.hosts.local(tx);
    const port = await this.#freePort(tx, host);
    const tier = await tx.tier.findFirstOrThrow({ where: { tenantId: agent.tenantId, key: agent.member.tierKey } });
    const row = await tx.gateway.create({
      data: {
        id: this.ids.next('gateway'),
        tenantId: agent.tenantId,
        hostId: host.id,
        kind: agent.desiredKind,
        runtime: tier.runtime,
        image: this.config.gatewayImage,
        port,
        resources: tier.resources as unknown as TierResources as unknown as Prisma.InputJsonObject,
        dueAt: this.clock.now(),
      },
      select: { id: true },
    });
    return row.id;
  }

  async #freePort(tx: Tx, host: { id: string; name: string; portFrom: number; portTo: number }): Promise<number> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`ports:${host.id}`}, 0))`;
    const rows = await tx.$queryRaw<{ port: number }[]>`
      SELECT p AS port FROM generate_series(${host.portFrom}::int, ${host.portTo}::int - 1, 2) p
      WHERE NOT EXISTS (SELECT 1 FROM gateways g WHERE g.host_id = ${host.id} AND g.port = p)
      ORDER BY p LIMIT 1`;
    if (!rows[0]) throw new PortRangeFull(host.name, host.portFrom, host.portTo);
    return rows[0].port;
  }

  /** Another port for a gateway whose own is taken by a stranger. Throws PortRangeFull. */
  async anotherPort(tx: Tx, hostId: string, taken: number): Promise<number> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`ports:${hostId}`}, 0))`;
    const host = await tx.host.findUniqueOrThrow({ where: { id: hostId } });
    const rows = await tx.$queryRaw<{ port: number }[]>`
      SELECT p AS port FROM generate_series(${host.portFrom}::int, ${host.portTo}::int - 1, 2) p
      WHERE NOT EXISTS (SELECT 1 FROM gateways g WHERE g.host_id = ${host.id} AND g.port = p)
      ORDER BY (p <= ${taken}), p LIMIT 1`;
    if (!rows[0]) throw new PortRangeFull(host.name, host.portFrom, host.portTo);
    return rows[0].port;
  }
}
