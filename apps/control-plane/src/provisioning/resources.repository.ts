import { Injectable } from '@nestjs/common';
import { Database, type Lease, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import { type Condition, conditionsOf, withCondition } from './conditions.js';
import { unlessDeadlocked } from './deadlocks.js';
import { AGENT_PHASES, type AgentPhase, GATEWAY_PHASES, type GatewayPhase, mayMove } from './phases.js';
import { PhaseMetrics } from './phase-metrics.js';
import { LeaseLost, PhaseEdgeMissing } from './provisioning.errors.js';
import { StepObserver } from './steps.js';

/** Whoever wakes a gateway wants to use it: it stays awake at least this long. */
export const AWAKE_SECONDS = 60;

const AGENT_VIEW = {
  member: true,
  workspace: true,
  gateway: { include: { host: { select: { silentSince: true } } } },
  targetGateway: { include: { host: { select: { silentSince: true } } } },
  tenant: true,
} satisfies Prisma.AgentInclude;

export type AgentRecord = Prisma.AgentGetPayload<{ include: typeof AGENT_VIEW }>;
export type GatewayRecord = Prisma.GatewayGetPayload<{ include: { host: true } }>;

export interface ConditionChange {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

interface PhaseEdge {
  readonly kind: 'gateway' | 'agent';
  readonly from: string;
  readonly to: string;
  /** How long the phase that was left had lasted. */
  readonly milliseconds: number;
}

type Changes<P, U> = { readonly phase?: P; readonly condition?: ConditionChange; readonly data?: U };
export type AgentChanges = Changes<AgentPhase, Prisma.AgentUncheckedUpdateInput>;
export type GatewayChanges = Changes<GatewayPhase, Prisma.GatewayUncheckedUpdateInput>;

/**
 * The rows that the reconciler works on. Every write happens under a lease: its fence is checked and the row locked
 * first, so a pass that lost its lease changes nothing. Phases only follow the edges of the table.
 */
@Injectable()
export class ResourcesRepository {
  /** Phases that a transaction changes, until it is through. */
  readonly #edges = new WeakMap<Tx, PhaseEdge[]>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly steps: StepObserver,
    private readonly phaseTimes: PhaseMetrics,
  ) {}

  async findAgent(id: string): Promise<AgentRecord | undefined> {
    return (await this.database.raw.agent.findUnique({ where: { id }, include: AGENT_VIEW })) ?? undefined;
  }

  async findGateway(id: string): Promise<GatewayRecord | undefined> {
    return (await this.database.raw.gateway.findUnique({ where: { id }, include: { host: true } })) ?? undefined;
  }

  /** Runs `work` in a transaction that holds the agent's row, if the lease is still ours; else throws LeaseLost. */
  asAgent<T>(lease: Lease, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#held(lease, work, async (tx) => {
      const { id, fence } = lease;
      return (await tx.$queryRaw<object[]>`SELECT 1 FROM agents WHERE id = ${id} AND fence = ${fence} FOR UPDATE`)
        .length;
    });
  }

  /** The same with the gateway's row. */
  asGateway<T>(lease: Lease, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#held(lease, work, async (tx) => {
      const { id, fence } = lease;
      return (await tx.$queryRaw<object[]>`SELECT 1 FROM gateways WHERE id = ${id} AND fence = ${fence} FOR UPDATE`)
        .length;
    });
  }

  async #held<T>(lease: Lease, work: (tx: Tx) => Promise<T>, hold: (tx: Tx) => Promise<number>): Promise<T> {
    let edges: PhaseEdge[] = [];
    const transaction = () =>
      this.database.system(async (tx) => {
        if ((await hold(tx)) === 0) throw new LeaseLost(lease.id);
        this.#edges.set(tx, (edges = []));
        return work(tx);
      });
    const result = await unlessDeadlocked(transaction);
    await this.outbox.announce();
    for (const edge of edges) {
      this.phaseTimes.left(edge.kind, edge.from, edge.to, edge.milliseconds);
      this.steps.committed(edge.kind, edge.from, edge.to);
    }
    return result;
  }

  async changeAgent(tx: Tx, agent: AgentRecord, changes: AgentChanges): Promise<void> {
    const { phase } = changes;
    if (phase && !mayMove(AGENT_PHASES, agent.phase as AgentPhase, phase))
      throw new PhaseEdgeMissing(agent.id, agent.phase, phase);
    const common = this.#common(agent, changes);
    await tx.agent.update({ where: { id: agent.id }, data: { ...changes.data, ...common }, select: { id: true } });
    if (phase && phase !== agent.phase) {
      this.#note(tx, 'agent', agent, phase);
      const data = { phase, reason: changes.condition?.reason ?? null };
      await this.outbox.append(tx, {
        tenantId: agent.tenantId,
        topic: 'agents',
        aggregateId: agent.id,
        type: 'phase',
        data,
      });
    }
  }

  async changeGateway(tx: Tx, gateway: GatewayRecord, changes: GatewayChanges): Promise<void> {
    const { phase } = changes;
    if (phase && !mayMove(GATEWAY_PHASES, gateway.phase as GatewayPhase, phase)) {
      throw new PhaseEdgeMissing(gateway.id, gateway.phase, phase);
    }
    const common = this.#common(gateway, changes);
    await tx.gateway.update({ where: { id: gateway.id }, data: { ...changes.data, ...common }, select: { id: true } });
    if (phase && phase !== gateway.phase) {
      this.#note(tx, 'gateway', gateway, phase);
      // A warm one is nobody's: there is no tenant to tell.
      if (!gateway.tenantId) return;
      const data = { phase, kind: gateway.kind, reason: changes.condition?.reason ?? null };
      await this.outbox.append(tx, {
        tenantId: gateway.tenantId,
        topic: 'gateways',
        aggregateId: gateway.id,
        type: 'phase',
        data,
      });
    }
  }

  /** The gateway's configuration changed: it gets a new number and is due. Returns the number. */
  async bumpConfig(tx: Tx, gatewayId: string): Promise<bigint> {
    const data = { configGeneration: { increment: 1n }, dueAt: this.clock.now() };
    return (await tx.gateway.update({ where: { id: gatewayId }, data, select: { configGeneration: true } }))
      .configGeneration;
  }

  async wantGateway(tx: Tx, gatewayId: string, desiredState: 'running' | 'stopped' | 'deleted'): Promise<void> {
    await tx.gateway.updateMany({
      where: { id: gatewayId, desiredState: { notIn: [desiredState, 'deleted'] } },
      data: { desiredState, dueAt: this.clock.now() },
    });
  }

  /** Somebody needs it now: it is started or woken, and not put to sleep again for `seconds`. */
  async wantAwake(tx: Tx, gateway: { readonly id: string }, seconds = AWAKE_SECONDS): Promise<void> {
    await tx.$executeRaw`
      UPDATE gateways SET
        awake_until = greatest(awake_until, now() + make_interval(secs => ${seconds})),
        rest_asked_at = NULL,
        desired_state = CASE desired_state WHEN 'stopped' THEN 'running' ELSE desired_state END,
        due_at = CASE WHEN phase = 'ready' THEN due_at ELSE now() END
      WHERE id = ${gateway.id}
        AND (desired_state = 'stopped' OR awake_until IS NULL OR awake_until < now() + make_interval(secs => ${seconds}::double precision / 2))`;
  }

  /** How many agents have their folder there. */
  async residents(gatewayId: string): Promise<number> {
    return this.database.raw.agent.count({ where: { gatewayId, phase: { not: 'deleted' } } });
  }

  /** Agents that wait for this gateway become due; returns their ids. */
  async agentsWaitingFor(tx: Tx, gatewayId: string): Promise<string[]> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE agents SET due_at = now()
      WHERE (gateway_id = ${gatewayId} OR target_gateway_id = ${gatewayId} OR previous_gateway_id = ${gatewayId})
        AND (phase NOT IN ('ready', 'inactive', 'deleted') OR previous_gateway_id IS NOT NULL)
      RETURNING id`;
    return rows.map((row) => row.id);
  }

  #note(tx: Tx, kind: PhaseEdge['kind'], row: { readonly phase: string; readonly phaseSince: Date }, to: string): void {
    const milliseconds = this.clock.now().getTime() - row.phaseSince.getTime();
    this.#edges.get(tx)?.push({ kind, from: row.phase, to, milliseconds });
  }

  #common<P extends string>(
    row: { phase: string; conditions: unknown },
    changes: Changes<P, unknown>,
  ): { phase?: P; phaseSince?: Date; conditions?: Prisma.InputJsonValue } {
    const now = this.clock.now();
    const { phase, condition } = changes;
    const next: Condition[] | undefined =
      condition &&
      withCondition(
        conditionsOf(row.conditions),
        condition.type,
        condition.status,
        condition.reason,
        condition.message,
        now,
      );
    return {
      ...(phase && phase !== row.phase ? { phase, phaseSince: now } : {}),
      ...(next ? { conditions: next as unknown as Prisma.InputJsonValue } : {}),
    };
  }
}
