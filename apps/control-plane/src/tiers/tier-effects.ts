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
/** Rows per statement. */
const CHUNK = 1_000;

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
    for (const agents of batches(plan.moves, CHUNK)) {
      await tx.agent.updateMany({
        where: { tenantId, id: { in: agents.map(({ id }) => id) } },
        data: { desiredKind: placement, generation: { increment: 1n }, failures: 0 },
      });
    }
  }

  /** After ceilings are settled: operations name the generation that brings everything about. */
  async render(tx: Tx, tenantId: string, plan: TierPlan, content: TierContent): Promise<void> {
    const moving = new Set(plan.moves.map(({ id }) => id));
    const staying = plan.rerenders.filter(({ id }) => !moving.has(id));
    for (const agents of batches(staying, CHUNK)) {
      await tx.agent.updateMany({
        where: { tenantId, id: { in: agents.map(({ id }) => id) } },
        data: { generation: { increment: 1n }, dueAt: this.clock.now() },
      });
    }
    for (const ids of batches(plan.restarts, CHUNK)) await this.#restart(tx, tenantId, ids, content);
    await this.#openOperations(tx, tenantId, plan.moves, content.placement);
  }

  async #restart(tx: Tx, tenantId: string, ids: readonly string[], { resources }: TierContent): Promise<void> {
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
    for (const [index, batch] of batches(moves, BATCH).entries()) {
      const agents = batch.filter(({ inService }) => inService);
      const where = { tenantId, id: { in: agents.map(({ id }) => id) } };
      await tx.agent.updateMany({ where, data: { dueAt: this.#later(index) } });
      const rows = await tx.agent.findMany({ where, select: { id: true, generation: true } });
      const generations = new Map(rows.map((row) => [row.id, row.generation]));
      const wanted = agents.map((agent) => ({
        tenantId,
        memberId: agent.memberId,
        agentId: agent.id,
        kind: 'change-tier' as const,
        moves: agent.gatewayKind !== null && agent.gatewayKind !== placement,
        generation: generations.get(agent.id) ?? 0n,
        deadlineSeconds: this.config.operationDeadlineSeconds + index * BATCH_SECONDS,
      }));
      await this.operations.openMany(tx, wanted);
    }
  }

  #later(batch: number): Date {
    return new Date(this.clock.now().getTime() + batch * BATCH_SECONDS * 1_000);
  }
}

const batches = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
