import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { AgentRoute } from '#libs/contracts';
import type { Prisma, Tx } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { REPLACED, SLEEPING } from '../provisioning/phases.js';
import type { AgentRecord, GatewayRecord } from '../provisioning/resources.repository.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { ceilingFrom } from '../trust/ceilings.js';
import { dailyLimits } from './daily-limits.js';

/** Any number that nothing else in this database uses as an advisory lock. */
export const PUBLISH_LOCK = 7_300_001;

/** It does not answer and will not by itself: whoever read it before it came to that publishes no way to it. */
const GONE: readonly string[] = ['lost', 'deleting', 'deleted'];

/** Route feeds listen here. */
export const ROUTES_CHANNEL = 'routes';

/** Writes routes; the feed carries them to the proxies. A publication with a lower fence never overwrites a later one. */
@Injectable()
export class RoutePublisher {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly credentials: GatewayCredentials,
    private readonly notifier: ChangeNotifier,
    private readonly clock: Clock,
  ) {}

  /** In the caller's transaction; returns false when the same route is published already. */
  async publish(
    tx: Tx,
    agent: AgentRecord,
    gateway: Omit<GatewayRecord, 'host'>,
    state: 'live' | 'held',
    fence: bigint,
  ): Promise<boolean> {
    const address = gateway.address as unknown as GatewayAddress | null;
    if (!address) return false;
    const now = state === 'live' ? await this.#awake(tx, gateway.id) : state;
    const tier = await tx.tier.findFirst({ where: { tenantId: agent.tenantId, key: agent.member.tierKey } });
    const { provider, name } = this.config.model;
    const route: AgentRoute = {
      agentId: agent.id,
      tenantId: agent.tenantId,
      workspaceId: agent.workspaceId,
      memberId: agent.memberId,
      gatewayId: gateway.id,
      state: now,
      target: { host: address.host, port: address.port },
      trustModeMax: ceilingFrom(agent.member, agent.tenant, tier, gateway.kind, this.clock.now()),
      credentialSha256: this.credentials.brokerSha256(agent.id),
      model: { provider, name },
      tierKey: agent.member.tierKey,
      limits: dailyLimits(tier?.limits),
    };
    return this.#write(tx, agent, route as unknown as Prisma.InputJsonObject, fence);
  }

  /**
   * Every live route to the gateway says from now on that it sleeps; or, the other way round, that it is awake, and where:
   * also those that nobody put to sleep, as a gateway that ended by itself may have come back elsewhere.
   */
  async setAsleep(tx: Tx, gatewayId: string, asleep: boolean): Promise<void> {
    const to = asleep ? 'asleep' : 'live';
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`;
    await tx.$executeRaw`
      UPDATE routes r SET
        route = r.route || jsonb_build_object('state', ${to}::text, 'target', CASE WHEN g.address IS NULL THEN r.route->'target'
          ELSE jsonb_build_object('host', g.address->'host', 'port', g.address->'port') END),
        version = nextval('route_version'), txid = pg_current_xact_id()::text::bigint
      FROM gateways g
      WHERE g.id = ${gatewayId} AND r.route->>'gatewayId' = ${gatewayId} AND r.route->>'state' IN ('live', 'asleep')
        AND (r.route->>'state' <> ${to} OR NOT ${asleep} AND g.address IS NOT NULL
          AND r.route->'target' IS DISTINCT FROM jsonb_build_object('host', g.address->'host', 'port', g.address->'port'))`;
  }

  /** Nobody reaches the gateway until `unhold`, and nobody wakes it. */
  async hold(tx: Tx, gatewayId: string): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`;
    await tx.$executeRaw`
      UPDATE routes SET route = jsonb_set(route, '{state}', '"held"'), version = nextval('route_version'),
        txid = pg_current_xact_id()::text::bigint
      WHERE route->>'gatewayId' = ${gatewayId} AND route->>'state' <> 'held'`;
  }

  /** Ends `hold`: its agents are reached, or wake it. Those that are held for reasons of their own stay so. */
  async unhold(tx: Tx, gatewayId: string, state: 'live' | 'asleep'): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`;
    await tx.$executeRaw`
      UPDATE routes SET route = jsonb_set(route, '{state}', to_jsonb(${state}::text)), version = nextval('route_version'),
        txid = pg_current_xact_id()::text::bigint
      WHERE route->>'gatewayId' = ${gatewayId} AND route->>'state' = 'held' AND agent_id IN
        (SELECT id FROM agents WHERE attached_to = ${gatewayId} AND phase IN ('ready', 'moving'))`;
  }

  /** It answers again, here: every agent that it has and that nothing else holds up is live. Nobody is who quarantined it meanwhile. */
  async release(tx: Tx, gatewayId: string, { host, port }: GatewayAddress): Promise<void> {
    const target = JSON.stringify({ host, port });
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`;
    await tx.$executeRaw`
      UPDATE routes r SET route = r.route || jsonb_build_object('state', 'live', 'target', ${target}::jsonb),
        version = nextval('route_version'), txid = pg_current_xact_id()::text::bigint
      FROM agents a
      WHERE a.id = r.agent_id AND a.attached_to = ${gatewayId} AND a.phase IN ('ready', 'moving')
        AND r.route->>'gatewayId' = ${gatewayId} AND r.route->>'state' IN ('held', 'asleep')
        AND EXISTS (SELECT 1 FROM gateways WHERE id = ${gatewayId} AND quarantined_at IS NULL)`;
  }

  /** What the gateway's row says in this transaction, and goes on to say until it ends: not what the caller read before. */
  async #awake(tx: Tx, gatewayId: string): Promise<AgentRoute['state']> {
    const rows = await tx.$queryRaw<{ phase: string; held: boolean }[]>`
      SELECT phase, quarantined_at IS NOT NULL AS held FROM gateways WHERE id = ${gatewayId} FOR SHARE`;
    const phase = rows[0]?.phase ?? '';
    if (rows[0]?.held || REPLACED.includes(phase) || GONE.includes(phase)) return 'held';
    return SLEEPING.includes(phase) ? 'asleep' : 'live';
  }

  /** Takes the route away; a tombstone stays so that every proxy hears of it. */
  async withdraw(tx: Tx, agent: AgentRecord, fence: bigint): Promise<boolean> {
    return this.#write(tx, agent, null, fence);
  }

  /** Call after the commit: proxies then hear of it within milliseconds instead of at the next poll. */
  async announce(): Promise<void> {
    await this.notifier.publish(ROUTES_CHANNEL);
  }

  async #write(tx: Tx, agent: AgentRecord, route: Prisma.InputJsonObject | null, fence: bigint): Promise<boolean> {
    const text = route === null ? null : JSON.stringify(route);
    // One publication at a time until its commit: versions then become visible in their order, and a feed that reads
    // "everything after my version" misses none.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`;
    const changed = await tx.$executeRaw`
      INSERT INTO routes (agent_id, tenant_id, route, version, txid, fence)
      VALUES (${agent.id}, ${agent.tenantId}, ${text}::jsonb, nextval('route_version'), pg_current_xact_id()::text::bigint, ${fence})
      ON CONFLICT (agent_id) DO UPDATE
        SET route = excluded.route, version = excluded.version, txid = excluded.txid, fence = excluded.fence
        WHERE routes.fence <= excluded.fence AND routes.route IS DISTINCT FROM excluded.route`;
    return changed > 0;
  }
}
