import { Injectable } from '@nestjs/common';
import { Database, type Lease, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import { type Condition, conditionsOf, withCondition } from './conditions.js';
import { AGENT_PHASES, type AgentPhase, GATEWAY_PHASES, type GatewayPhase, mayMove } from './phases.js';
import { LeaseLost, PhaseEdgeMissing } from './provisioning.errors.js';

const AGENT_VIEW = {
  member: true,
  workspace: true,
  gateway: true,
  targetGateway: true,
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

type Changes<P, U> = { readonly phase?: P; readonly condition?: ConditionChange; readonly data?: U };
export type AgentChanges = Changes<AgentPhase, Prisma.AgentUncheckedUpdateInput>;
export type GatewayChanges = Changes<GatewayPhase, Prisma.GatewayUncheckedUpdateInput>;

/**
 * The rows that the reconciler works on. Every write happens under a lease: its fence is checked and the row locked
 * first, so a pass that lost its lease changes nothing. Phases only follow the edges of the table.
 */
@Injectable()
export class ResourcesRepository {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
  ) {}

  async findAgent(id: string): Promise<AgentRecord | undefined> {
    return (await this.database.raw.agent.findUnique({ where: { id }, include: AGENT_VIEW })) ?? undefined;
  }

  async findGateway(id: string): Promise<GatewayRecord | undefined> {
    return (await this.database.raw.gateway.findUnique({ where: { id }, include: { host: true } })) ?? undefined;
  }

  /** Runs `work` in a transaction that holds the agent's row, if the lease is still ours; else throws LeaseLost. */
  async asAgent<T>(lease: Lease, work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.database.system(async (tx) => {
      const held = await tx.$queryRaw<
        object[]
      >`SELECT 1 FROM agents WHERE id = ${lease.id} AND fence = ${lease.fence} FOR UPDATE`;
      if (held.length === 0) throw new LeaseLost(lease.id);
      return work(tx);
    });
    await this.outbox.announce();
    return result;
  }

  async asGateway<T>(lease: Lease, work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.database.system(async (tx) => {
      const held = await tx.$queryRaw<
        object[]
      >`SELECT 1 FROM gateways WHERE id = ${lease.id} AND fence = ${lease.fence} FOR UPDATE`;
      if (held.length === 0) throw new LeaseLost(lease.id);
      return work(tx);
    });
    await this.outbox.announce();
    return result;
  }

  async changeAgent(tx: Tx, agent: AgentRecord, changes: AgentChanges): Promise<void> {
    const { phase } = changes;
    if (phase && !mayMove(AGENT_PHASES, agent.phase as AgentPhase, phase))
      throw new PhaseEdgeMissing(agent.id, agent.phase, phase);
    const common = this.#common(agent, changes);
    await tx.agent.update({ where: { id: agent.id }, data: { ...changes.data, ...common }, select: { id: true } });
    if (phase && phase !== agent.phase) {
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

  /** Agents that wait for this gateway become due; returns their ids. */
  async agentsWaitingFor(tx: Tx, gatewayId: string): Promise<string[]> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE agents SET due_at = now()
      WHERE (gateway_id = ${gatewayId} OR target_gateway_id = ${gatewayId} OR previous_gateway_id = ${gatewayId})
        AND (phase NOT IN ('ready', 'inactive', 'deleted') OR previous_gateway_id IS NOT NULL)
      RETURNING id`;
    return rows.map((row) => row.id);
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
