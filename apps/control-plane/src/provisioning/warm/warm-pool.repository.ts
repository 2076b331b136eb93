import { Injectable } from '@nestjs/common';
import { assertLeadership, Database, type Leadership, type Prisma, type Tx } from '#libs/database';
import { ControlPlaneConfig } from '#libs/config';
import { Clock, Ids } from '#libs/kernel';
import { HostsService } from '../../fleet/hosts.service.js';
import { readHostCandidates } from '../../fleet/placement/host-candidates.js';
import type { HostCandidate } from '../../fleet/placement/host-choice.js';
import { type Condition, conditionsOf } from '../conditions.js';
import { freePort } from '../port-registry.js';
import { GatewayImages } from '../upgrades/gateway-images.js';
import type { PoolGateway } from './warm-plan.js';
import { MOST_KINDS, type WarmKind, warmPoolOf, type WarmPoolSettings } from './warm-pool.settings.js';
import { afterLostClaim, type WarmPoolState } from './warm-pool.state.js';

export interface PoolRow extends PoolGateway {
  readonly desiredState: string;
  readonly failures: number;
  readonly ready: Condition | undefined;
}

export interface WarmPool {
  /** What new gateways get. */
  readonly image: string;
  readonly settings: WarmPoolSettings;
  /** How often they were changed; 0: they are the defaults. */
  readonly version: number;
  readonly state: WarmPoolState;
  readonly gateways: readonly PoolRow[];
}

/** What has failed so often in a row is not about to need the host. */
const HOPELESS = 3;

/** The rows of the pool. They are nobody's: every transaction is the system's. */
@Injectable()
export class WarmPoolRepository {
  constructor(
    private readonly database: Database,
    private readonly config: ControlPlaneConfig,
    private readonly hosts: HostsService,
    private readonly images: GatewayImages,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async read(): Promise<WarmPool> {
    return this.database.system((tx) => this.readIn(tx));
  }

  async readIn(tx: Tx): Promise<WarmPool> {
    const row = await tx.installation.findUniqueOrThrow({ where: { id: 1 } });
    const gateways = await tx.gateway.findMany({
      where: { pool: 'warm', phase: { not: 'deleted' } },
      orderBy: { id: 'asc' },
    });
    const { warmPoolVersion: version = 0 } = row.settings as { warmPoolVersion?: number };
    return {
      image: await this.images.forNew(tx),
      settings: warmPoolOf(row.settings, this.config.provisioning.warmGateways),
      version,
      state: row.warmPool as WarmPoolState,
      gateways: gateways.map((gateway) => ({
        id: gateway.id,
        hostId: gateway.hostId,
        image: gateway.image,
        memoryMb: (gateway.resources as unknown as WarmKind).memoryMb,
        phase: gateway.phase,
        createdAt: gateway.createdAt,
        desiredState: gateway.desiredState,
        failures: gateway.failures,
        ready: conditionsOf(gateway.conditions).find(({ type }) => type === 'Ready'),
      })),
    };
  }

  async saveSettings(tx: Tx, settings: WarmPoolSettings, version: number): Promise<void> {
    const change = JSON.stringify({ warmPool: settings, warmPoolVersion: version });
    await tx.$executeRaw`UPDATE installation SET settings = settings || ${change}::jsonb WHERE id = 1`;
  }

  /** What is known of fills. What is known of claims stays as the reconcilers wrote it. */
  async saveFills(tx: Tx, state: WarmPoolState): Promise<void> {
    const { subject, failures, lastFailure, nextTryAt, stopped, note } = state;
    const known = Object.entries({ subject, failures, lastFailure, nextTryAt, stopped, note });
    await this.#saveState(tx, Object.fromEntries(known.filter(([, value]) => value !== undefined)));
  }

  async #saveState(tx: Tx, state: WarmPoolState): Promise<void> {
    await tx.$executeRaw`UPDATE installation SET warm_pool = warm_pool || ${JSON.stringify(state)}::jsonb WHERE id = 1`;
  }

  asLeader<T>(lead: Leadership, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      return work(tx);
    });
  }

  /** Hosts that take new gateways. The one beside the control plane is among them from the first start on. */
  async hostIds(): Promise<string[]> {
    const where = { state: 'active', silentSince: null };
    return this.database.system(async (tx) => {
      await this.hosts.local(tx);
      return (await tx.host.findMany({ where, orderBy: { id: 'asc' }, select: { id: true } })).map(({ id }) => id);
    });
  }

  /** What gateways of one agent's own are given, most members first. */
  async kinds(): Promise<WarmKind[]> {
    return this.database.system(
      (tx) => tx.$queryRaw<WarmKind[]>`
      SELECT (t.resources->>'cpus')::float AS cpus, (t.resources->>'memoryMb')::int AS "memoryMb", (t.resources->>'pids')::int AS pids
      FROM tiers t
      JOIN tenants o ON o.id = t.tenant_id AND o.status = 'active'
      LEFT JOIN members m ON m.tenant_id = t.tenant_id AND m.tier_key = t.key AND m.status = 'active'
      WHERE t.placement = 'dedicated' AND t.runtime = 'wirebot' AND t.retired_at IS NULL AND t.resources ?& array['cpus', 'memoryMb', 'pids']
      GROUP BY 1, 2, 3 ORDER BY count(m.id) DESC, 2, 1, 3 LIMIT ${MOST_KINDS}`,
    );
  }

  /** True while anybody's gateway is being made or agent placed, or was a moment ago. */
  async isBusy(quietSeconds: number): Promise<boolean> {
    const rows = await this.database.raw.$queryRaw<{ busy: boolean }[]>`
      SELECT EXISTS (
        SELECT 1 FROM gateways WHERE pool IS NULL AND desired_state = 'running' AND phase IN ('pending', 'creating', 'starting') AND failures < ${HOPELESS}
      ) OR EXISTS (
        SELECT 1 FROM agents WHERE phase IN ('pending', 'placing', 'waiting', 'restoring', 'attaching', 'moving') AND failures < ${HOPELESS}
          OR phase_since > now() - make_interval(secs => ${quietSeconds})
      ) AS busy`;
    return rows[0]!.busy;
  }

  /** The host with what is promised on it, and the MiB that its gateways take: as measured last, else as they may at most. */
  async hostOf(hostId: string): Promise<{ readonly host: HostCandidate | undefined; readonly usedMb: number }> {
    return this.database.system(async (tx) => {
      const host = (await readHostCandidates(tx)).find(({ id }) => id === hostId);
      const [sum] = await tx.$queryRaw<{ usedMb: number }[]>`
        SELECT coalesce(sum(coalesce((load->>'rssBytes')::float8 / 1048576, (resources->>'memoryMb')::float8)), 0)::float8 AS "usedMb"
        FROM gateways WHERE host_id = ${hostId} AND phase NOT IN ('deleted', 'suspended', 'lost')`;
      return { host, usedMb: sum!.usedMb };
    });
  }

  /** Reserved before anything is made: a crash leaves a row that the reconciler finishes. Throws PortRangeFull. */
  async create(tx: Tx, hostId: string, kind: WarmKind, image: string): Promise<string> {
    const resources: Prisma.InputJsonObject = { ...kind, diskMb: null };
    const data = {
      id: this.ids.next('gateway'),
      hostId,
      kind: 'dedicated',
      runtime: 'wirebot',
      image,
      pool: 'warm',
      port: await freePort(tx, await tx.host.findUniqueOrThrow({ where: { id: hostId } })),
      resources,
      dueAt: this.clock.now(),
    };
    return (await tx.gateway.create({ data, select: { id: true } })).id;
  }

  /** Unless somebody has claimed it meanwhile. */
  async giveUp(ids: readonly string[], tx: Tx = this.database.raw): Promise<void> {
    await tx.gateway.updateMany({
      where: { id: { in: [...ids] }, pool: 'warm', desiredState: 'running' },
      data: { desiredState: 'deleted', dueAt: this.clock.now() },
    });
  }

  /** A gateway did not take its identity: the others are left alone for a while. */
  async noteLostClaim(): Promise<void> {
    await this.database.system(async (tx) => {
      const rows = await tx.$queryRaw<{ state: WarmPoolState }[]>`
        SELECT warm_pool AS state FROM installation WHERE id = 1 FOR UPDATE`;
      await this.#saveState(tx, afterLostClaim(rows[0]!.state, this.clock.now()));
    });
  }

  async forgetLostClaims(): Promise<void> {
    const none = JSON.stringify({ claimFailures: 0, heldUntil: null } satisfies WarmPoolState);
    await this.database.raw.$executeRaw`
      UPDATE installation SET warm_pool = warm_pool || ${none}::jsonb WHERE (warm_pool->>'claimFailures')::int > 0`;
  }
}
