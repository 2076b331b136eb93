import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Prisma, Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import type { TierResources } from '#libs/trust';
import { type HostRow, HostsService } from '../fleet/hosts.service.js';
import { type Cell, chooseCell } from '../fleet/placement/cell-choice.js';
import { readHostCandidates } from '../fleet/placement/host-candidates.js';
import { chooseHost } from '../fleet/placement/host-choice.js';
import { anotherPort, freePort } from './port-registry.js';
import { NoHostFits, PortRangeFull } from './provisioning.errors.js';
import { WarmClaims, type WantedGateway } from './warm/warm-claims.js';
import { GatewayImages } from './upgrades/gateway-images.js';
import type { AgentRecord } from './resources.repository.js';

/** Chooses the gateway for an agent: a shared cell with room, else a new gateway with a reserved port on a host that takes it. */
@Injectable()
export class PlacementService {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly hosts: HostsService,
    private readonly warm: WarmClaims,
    private readonly images: GatewayImages,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /**
   * Reserves a place in the caller's transaction and returns the gateway's id. One placement of a tenant at a time, so
   * a cell is never overfilled. Throws NoHostFits and PortRangeFull; nothing is reserved then.
   */
  async reserve(tx: Tx, agent: AgentRecord): Promise<string> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`place:${agent.tenantId}`}, 0))`;
    if (agent.desiredKind === 'shared') {
      const cell = await this.#cellWithRoom(tx, agent);
      if (cell) return cell;
    }
    return this.#create(tx, agent);
  }

  async #cellWithRoom(tx: Tx, agent: AgentRecord): Promise<string | undefined> {
    const slug = agent.tenant.slug;
    const cells = await tx.$queryRaw<Cell[]>`
      SELECT g.id, g.host_id AS "hostId", count(a.id)::int AS agents, g.load, g.load_at AS "loadAt"
      FROM gateways g JOIN hosts h ON h.id = g.host_id
      LEFT JOIN agents a ON a.desired_state <> 'erased' AND (a.gateway_id = g.id OR a.target_gateway_id = g.id)
      WHERE g.tenant_id = ${agent.tenantId} AND g.kind = 'shared' AND g.desired_state = 'running' AND g.phase NOT IN ('failed', 'lost')
        AND g.quarantined_at IS NULL
        AND h.state = 'active' AND h.silent_since IS NULL AND coalesce(h.labels->>'tenant', ${slug}) = ${slug}
        AND (h.labels ? 'tenant' OR NOT EXISTS (SELECT 1 FROM hosts o WHERE o.labels->>'tenant' = ${slug} AND o.state <> 'removed'))
      GROUP BY g.id`;
    return chooseCell(cells, {
      size: this.config.sharedCellSize,
      now: this.clock.now(),
      except: agent.gatewayId,
      hostId: agent.wantedHostId,
      relief: agent.leaveGatewayId !== null && agent.wantedHostId === null,
    })?.id;
  }

  async #create(tx: Tx, agent: AgentRecord): Promise<string> {
    const tier = await tx.tier.findFirstOrThrow({ where: { tenantId: agent.tenantId, key: agent.member.tierKey } });
    const wanted: WantedGateway = {
      tenantId: agent.tenantId,
      slug: agent.tenant.slug,
      hostId: agent.wantedHostId,
      kind: agent.desiredKind,
      runtime: tier.runtime,
      image: await this.images.forNew(tx),
      resources: tier.resources as unknown as TierResources,
    };
    return (await this.warm.claim(tx, wanted)) ?? (await this.#createCold(tx, agent, wanted));
  }

  async #createCold(tx: Tx, agent: AgentRecord, wanted: WantedGateway): Promise<string> {
    const { tenantId, kind, runtime, image, resources } = wanted;
    try {
      const host = await this.#hostFor(tx, agent, resources);
      const port = await freePort(tx, host);
      const place = { id: this.ids.next('gateway'), hostId: host.id, port, dueAt: this.clock.now() };
      const json = resources as unknown as Prisma.InputJsonObject;
      const data = { ...place, tenantId, kind, runtime, image, resources: json };
      return (await tx.gateway.create({ data, select: { id: true } })).id;
    } catch (error) {
      // What nobody needs yet makes room for whom there is no other.
      const short = error instanceof PortRangeFull || error instanceof NoHostFits;
      const leastMb = error instanceof PortRangeFull ? 0 : resources.memoryMb;
      const id = short ? await this.warm.takeOver(tx, wanted, leastMb) : undefined;
      if (id === undefined) throw error;
      return id;
    }
  }

  /** One new gateway at a time, so that no limit is passed. Throws NoHostFits, PortRangeFull. */
  async #hostFor(tx: Tx, agent: AgentRecord, { memoryMb, cpus }: TierResources): Promise<HostRow> {
    await this.hosts.local(tx);
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('place:hosts', 0))`;
    const candidates = await readHostCandidates(tx);
    const from = agent.gateway?.hostId ?? null;
    const need = { memoryMb, cpus, tenant: agent.tenant.slug, hostId: agent.wantedHostId, from };
    const choice = chooseHost(candidates, need, this.config.provisioning.placement);
    if ('host' in choice) return tx.host.findUniqueOrThrow({ where: { id: choice.host.id } });
    if (choice.refusals.some(({ limit }) => limit !== 'ports')) throw new NoHostFits(need, choice.refusals);
    const { name, portFrom, portTo } = await tx.host.findUniqueOrThrow({ where: { name: choice.refusals[0]!.host } });
    throw new PortRangeFull(name, portFrom, portTo);
  }

  /** Another port for a gateway whose own is taken by a stranger. Throws PortRangeFull. */
  anotherPort(tx: Tx, hostId: string, taken: number): Promise<number> {
    return anotherPort(tx, hostId, taken);
  }
}
