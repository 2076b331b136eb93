import { Injectable } from '@nestjs/common';
import type { Lease, Tx } from '#libs/database';
import { backoff, Clock } from '#libs/kernel';
import { OperationsRepository } from '../operations/operations.repository.js';
import { RoutePublisher } from '../routing/route-publisher.js';
import { AgentMover } from './agent-mover.js';
import { AgentRestore } from './agent-restore.js';
import { AgentRetirement } from './agent-retirement.js';
import { conditionsOf } from './conditions.js';
import { HostGate } from './hosts/host-gate.js';
import { LostAgents } from './hosts/lost-agents.js';
import { type Outcome, again, settled, waitFor } from './outcome.js';
import { AGENT_PHASES, type AgentPhase, isOverdue, mayMove, SERVING, SLEEPING } from './phases.js';
import { PlacementService } from './placement.service.js';
import { LeaseLost, toFailure } from './provisioning.errors.js';
import { type AgentRecord, ResourcesRepository } from './resources.repository.js';
import { Waker } from './waker.js';

/** While something else has to happen first the row is looked at again after this long, in case a wake got lost. */
const WAIT_MS = 2_000;

type Attachment = Pick<AgentRecord, 'attachedTo' | 'attachedGeneration'>;
const DETACHED: Attachment = { attachedTo: null, attachedGeneration: null };

/** Brings one agent to where its row says: placed, attached to its gateway, reachable; or moved, put away, erased. */
@Injectable()
export class AgentReconciler {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly placement: PlacementService,
    private readonly operations: OperationsRepository,
    private readonly routes: RoutePublisher,
    private readonly mover: AgentMover,
    private readonly retirement: AgentRetirement,
    private readonly restore: AgentRestore,
    private readonly lost: LostAgents,
    private readonly gate: HostGate,
    private readonly waker: Waker,
    private readonly clock: Clock,
  ) {}

  async reconcile(lease: Lease, signal: AbortSignal): Promise<number | null> {
    for (let step = 0; step < 20; step += 1) {
      signal.throwIfAborted();
      const agent = await this.resources.findAgent(lease.id);
      if (!agent || agent.phase === 'deleted') return null;
      const outcome = await this.#guarded(agent, lease, signal);
      if (!outcome.again) return outcome.dueInMs;
    }
    return 0;
  }

  async #guarded(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    try {
      if (agent.phase !== 'failed' && this.#isOverdue(agent)) return await this.#overdue(agent, lease);
      return await this.gate.agent(agent, signal, (bounded) => this.#step(agent, lease, bounded));
    } catch (error) {
      if (error instanceof LeaseLost || signal.aborted) throw error;
      return this.#failed(agent, lease, error);
    }
  }

  #isOverdue(agent: AgentRecord): boolean {
    return isOverdue(AGENT_PHASES, agent.phase as AgentPhase, agent.phaseSince, this.clock.now());
  }

  /** No phase lasts longer than the table allows: whoever asked is told why, and the work is taken up again. */
  async #overdue(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const seconds = AGENT_PHASES[agent.phase as AgentPhase].timeoutSeconds;
    const gateways = [agent.targetGateway, agent.gateway].flatMap((row) => (row ? conditionsOf(row.conditions) : []));
    const bad = gateways.find((condition) => condition.type === 'Ready' && !condition.status);
    const code = bad?.reason ?? 'phase-timeout';
    const message =
      bad?.message ?? `The agent was ${agent.phase} for more than ${seconds} s. It is tried again by itself.`;
    await this.resources.asAgent(lease, async (tx) => {
      const condition = { type: 'Ready', status: false, reason: code, message };
      await this.resources.changeAgent(tx, agent, { phase: 'failed', condition, data: { failures: { increment: 1 } } });
      await this.operations.fail(tx, agent.id, code, message);
    });
    return again;
  }

  async #step(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (this.lost.concerns(agent)) return this.lost.continue(agent, lease);
    if (agent.targetGatewayId) return this.mover.continue(agent, lease, signal);
    if (this.mover.wantsAtRest(agent)) return this.mover.begin(agent, lease);
    if (agent.desiredState !== 'active') return this.retirement.continue(agent, lease, signal);
    if (agent.previousGatewayId && agent.phase === 'ready') {
      const outcome = await this.mover.release(agent, lease, signal);
      // An old gateway that is away for long keeps nobody from a change where they are now.
      if (outcome.again || agent.observedGeneration >= agent.generation) return outcome;
    }
    if (!agent.gateway || agent.gateway.desiredState === 'deleted') return this.#place(agent, lease);
    // One old copy is known at a time: what the last move left goes before the next one begins.
    if (!agent.previousGatewayId && this.mover.wants(agent)) return this.mover.begin(agent, lease);
    if (this.#restsWith(agent.gateway, agent)) return settled;
    if (!SERVING.includes(agent.gateway.phase)) return this.#awaitGateway(agent, lease);
    if (agent.restoreBackupId) return this.restore.continue(agent, lease, signal);
    const changed = agent.phase === 'ready' && agent.observedGeneration < agent.generation;
    if (changed || agent.attachedTo !== agent.gatewayId) return this.#attach(agent, lease);
    if (agent.gateway.observedConfig < (agent.attachedGeneration ?? 0n)) return this.#awaitConfig(agent, lease);
    return this.#publish(agent, lease);
  }

  /** Its gateway sleeps and there is nothing to tell it: both stay as they are until somebody needs them. */
  #restsWith(gateway: NonNullable<AgentRecord['gateway']>, agent: AgentRecord): boolean {
    const asleep = SLEEPING.includes(gateway.phase) && gateway.desiredState === 'running';
    const done = agent.phase === 'ready' && agent.observedGeneration >= agent.generation && !agent.restoreBackupId;
    return asleep && done && agent.attachedTo === gateway.id;
  }

  /** Everything that is reserved is reserved in one transaction with the agent's row: a crash leaves both or neither. */
  async #place(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    if (agent.phase !== 'placing') {
      await this.resources.asAgent(lease, async (tx) => {
        await this.resources.changeAgent(tx, agent, { phase: 'placing' });
        await this.operations.progress(tx, agent.id, 'place');
      });
      return again;
    }
    const gatewayId = await this.resources.asAgent(lease, async (tx) => {
      const id = await this.placement.reserve(tx, agent);
      const data = { gatewayId: id, ...(await this.#attachment(tx, agent, id)) };
      await this.resources.changeAgent(tx, agent, { phase: 'waiting', data });
      await this.operations.progress(tx, agent.id, 'start-gateway');
      return id;
    });
    await this.waker.wake('gateway', gatewayId);
    return again;
  }

  /** A gateway of its own knows the agent from its first configuration on: one round less until it answers. */
  async #attachment(tx: Tx, agent: AgentRecord, gatewayId: string): Promise<Attachment> {
    if (agent.desiredKind !== 'dedicated' || agent.restoreBackupId) return DETACHED;
    return { attachedTo: gatewayId, attachedGeneration: await this.resources.bumpConfig(tx, gatewayId) };
  }

  async #awaitGateway(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const gateway = agent.gateway!;
    const ready = conditionsOf(gateway.conditions).find((condition) => condition.type === 'Ready');
    if (gateway.phase === 'failed') return this.#gatewayFailed(agent, lease, ready?.reason, ready?.message);
    if (gateway.host.silentSince && (await this.#leftSilentHost(agent, lease))) return again;
    await this.resources.asAgent(lease, async (tx) => {
      if (agent.phase !== 'waiting') await this.resources.changeAgent(tx, agent, { phase: 'waiting' });
      await this.resources.wantAwake(tx, gateway);
      await this.operations.progress(tx, agent.id, 'start-gateway', ready?.status === false ? ready.message : null);
    });
    if (['pending', ...SLEEPING].includes(gateway.phase)) await this.waker.wake('gateway', gateway.id);
    return waitFor(WAIT_MS);
  }

  /**
   * Its place is on a host that has fallen silent since, and nothing of it is there yet: it goes where somebody answers.
   * False while there is no other host: then it waits for this one.
   */
  async #leftSilentHost(agent: AgentRecord, lease: Lease): Promise<boolean> {
    const gateway = agent.gateway!;
    const mayHold = gateway.observedConfig > 0n || (gateway.kind === 'shared' && agent.attachedGeneration !== null);
    if (mayHold || agent.phase === 'ready') return false;
    return this.resources.asAgent(lease, async (tx) => {
      const where = { id: { not: gateway.hostId }, state: 'active', silentSince: null };
      if ((await tx.host.count({ where })) === 0) return false;
      await this.resources.changeAgent(tx, agent, { phase: 'placing', data: { gatewayId: null, ...DETACHED } });
      await this.#discardIfUnused(tx, gateway.id, agent.id);
      return true;
    });
  }

  /** A gateway that cannot be made: say so, and when it never held this agent, give the reservation back. */
  async #gatewayFailed(
    agent: AgentRecord,
    lease: Lease,
    code = 'gateway-failed',
    message = 'The gateway failed.',
  ): Promise<Outcome> {
    const gateway = agent.gateway!;
    // It never confirmed a configuration, so there is nothing of the agent on it.
    const neverUsed =
      gateway.observedConfig === 0n && (gateway.kind === 'dedicated' || agent.attachedGeneration === null);
    await this.resources.asAgent(lease, async (tx) => {
      const condition = { type: 'Ready', status: false, reason: code, message };
      const data = { failures: { increment: 1 }, ...(neverUsed ? { gatewayId: null, ...DETACHED } : {}) };
      await this.resources.changeAgent(tx, agent, { phase: 'failed', condition, data });
      await this.operations.fail(tx, agent.id, code, message);
      if (neverUsed) await this.#discardIfUnused(tx, gateway.id, agent.id);
    });
    if (neverUsed) await this.waker.wake('gateway', gateway.id);
    return waitFor(backoff(agent.failures, 30_000, 600_000));
  }

  async #discardIfUnused(tx: Tx, gatewayId: string, exceptAgent: string): Promise<void> {
    const others = await tx.agent.count({ where: { gatewayId, id: { not: exceptAgent } } });
    if (others === 0) await this.resources.wantGateway(tx, gatewayId, 'deleted');
  }

  async #attach(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const gatewayId = agent.gatewayId!;
    if (!mayMove(AGENT_PHASES, agent.phase as AgentPhase, 'attaching')) {
      await this.resources.asAgent(lease, (tx) => this.resources.changeAgent(tx, agent, { phase: 'waiting' }));
      return again;
    }
    await this.resources.asAgent(lease, async (tx) => {
      const attachedGeneration = await this.resources.bumpConfig(tx, gatewayId);
      await this.resources.changeAgent(tx, agent, {
        phase: 'attaching',
        data: { attachedTo: gatewayId, attachedGeneration },
      });
      await this.operations.progress(tx, agent.id, 'attach');
    });
    await this.waker.wake('gateway', gatewayId);
    return waitFor(WAIT_MS);
  }

  async #awaitConfig(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'attach'));
    return waitFor(WAIT_MS);
  }

  /** Everything is in place: the route, the phase and the operation's success become true together. */
  async #publish(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    if (agent.phase === 'waiting' || agent.phase === 'failed' || agent.phase === 'moving') {
      await this.resources.asAgent(lease, (tx) => this.resources.changeAgent(tx, agent, { phase: 'attaching' }));
      return again;
    }
    const moved = agent.previousGatewayId !== null;
    await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'publish-route');
      await this.routes.publish(tx, agent, agent.gateway!, 'live', lease.fence);
      const condition = { type: 'Ready', status: true, reason: 'serving', message: 'The agent answers.' };
      const data = { failures: 0, observedGeneration: agent.generation };
      await this.resources.changeAgent(tx, agent, { phase: 'ready', condition, data });
      if (!moved)
        await this.operations.succeed(tx, agent.id, agent.generation, {
          agentId: agent.id,
          gatewayId: agent.gatewayId,
        });
    });
    await this.routes.announce();
    return moved ? again : settled;
  }

  async #failed(agent: AgentRecord, lease: Lease, error: unknown): Promise<Outcome> {
    const failure = toFailure(error);
    const condition = { type: 'Ready', status: false, reason: failure.code, message: failure.message };
    await this.resources.asAgent(lease, async (tx) => {
      const data = { failures: { increment: 1 } };
      // What answers, or rests, stays what it is: it only could not be moved or changed.
      if (failure.retryable || agent.phase === 'ready' || agent.phase === 'inactive')
        await this.resources.changeAgent(tx, agent, { condition, data });
      else {
        await this.resources.changeAgent(tx, agent, {
          phase: agent.phase === 'pending' ? 'placing' : 'failed',
          condition,
          data,
        });
      }
      if (!failure.retryable) await this.operations.fail(tx, agent.id, failure.code, failure.message);
    });
    return waitFor(failure.retryable ? backoff(agent.failures, 250, 15_000) : backoff(agent.failures, 30_000, 600_000));
  }
}
