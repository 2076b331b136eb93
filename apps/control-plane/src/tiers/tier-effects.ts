import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Prisma, Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { OperationsRepository } from '../operations/operations.repository.js';
import type { TierContent } from './tier-definition.js';
import type { PlannedAgent, TierPlan } from './tier-plan.js';

/** Agents that begin to move at the same time, and how long after them the next ones do: hosts start gateways one by one. */
export const BATCH = 20;
const BATCH_SECONDS = 10;

const idsOf = (agents: readonly PlannedAgent[]): string[] => agents.map(({ id }) => id);

/** Makes what a tier's change means due, in the transaction of the change. The reconciler does it. */
@Injectable()
export class TierEffects {
  constructor(
    private readonly operations: OperationsRepository,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** Before ceilings are settled: where an agent is going to be has a say in them. */
  async place(tx: Tx, tenantId: string, plan: TierPlan, placement: TierContent['placement']): Promise<void> {
    if (plan.moves.length === 0) return;
    await tx.$executeRaw`
      UPDATE agents SET desired_kind = ${placement}, generation = generation + 1, failures = 0, updated_at = ${this.clock.now()}
      WHERE tenant_id = ${tenantId} AND id = ANY(${idsOf(plan.moves)})`;
  }

  /** After ceilings are settled: operations name the generation that brings everything about. */
  async render(tx: Tx, tenantId: string, plan: TierPlan, content: TierContent): Promise<void> {
    const now = this.clock.now();
    const moving = new Set(idsOf(plan.moves));
    const staying = idsOf(plan.rerenders).filter((id) => !moving.has(id));
    if (staying.length > 0) {
      await tx.$executeRaw`
        UPDATE agents SET generation = generation + 1, due_at = ${now}, updated_at = ${now}
        WHERE tenant_id = ${tenantId} AND id = ANY(${staying})`;
    }
    await this.#restart(tx, tenantId, plan.restarts, content);
    await this.#openOperations(tx, tenantId, plan.moves, content.placement);
  }

  async #restart(tx: Tx, tenantId: string, ids: readonly string[], { resources }: TierContent): Promise<void> {
    if (ids.length === 0) return;
    const data: Prisma.GatewayUpdateManyMutationInput = {
      resources: { ...resources },
      generation: { increment: 1n },
      dueAt: this.clock.now(),
    };
    await tx.gateway.updateMany({ where: { tenantId, id: { in: [...ids] }, desiredState: { not: 'deleted' } }, data });
  }

  async #openOperations(
    tx: Tx,
    tenantId: string,
    moves: readonly PlannedAgent[],
    placement: TierContent['placement'],
  ): Promise<void> {
    const agents = moves.filter(({ inService }) => inService);
    if (agents.length === 0) return;
    const generations = await this.#inTurn(tx, tenantId, idsOf(agents));
    const wanted = agents.map((agent, index) => ({
      tenantId,
      memberId: agent.memberId,
      agentId: agent.id,
      kind: 'change-tier' as const,
      moves: agent.gatewayKind !== null && agent.gatewayKind !== placement,
      generation: generations.get(agent.id) ?? 0n,
      deadlineSeconds: this.config.operationDeadlineSeconds + Math.floor(index / BATCH) * BATCH_SECONDS,
    }));
    await this.operations.openMany(tx, wanted);
  }

  /** Makes them due one batch after the other; returns their generations. */
  async #inTurn(tx: Tx, tenantId: string, ids: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
    const rows = await tx.$queryRaw<{ id: string; generation: bigint }[]>`
      UPDATE agents a SET due_at = ${this.clock.now()}::timestamptz + make_interval(secs => floor((t.n - 1) / ${BATCH}) * ${BATCH_SECONDS})
      FROM unnest(${[...ids]}::text[]) WITH ORDINALITY AS t (id, n)
      WHERE a.tenant_id = ${tenantId} AND a.id = t.id
      RETURNING a.id, a.generation`;
    return new Map(rows.map((row) => [row.id, row.generation]));
  }
}
