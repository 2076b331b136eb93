import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { deadline } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import { OperationsRepository } from '../operations/operations.repository.js';
import { RoutePublisher } from '../routing/route-publisher.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { conditionsOf } from './conditions.js';
import { type Outcome, again, waitFor } from './outcome.js';
import { SLEEPING } from './phases.js';
import { PlacementService } from './placement.service.js';
import { type AgentRecord, ResourcesRepository } from './resources.repository.js';
import { StepObserver } from './steps.js';
import { Waker } from './waker.js';

const WAIT_MS = 2_000;
const TRANSFER_LIMIT_MS = 600_000;

type Home = NonNullable<AgentRecord['gateway']>;

/**
 * Moves an agent between gateways without losing or repeating a message. The columns say how far it is, so that every
 * step can be repeated after a crash:
 *
 * 1. target reserved (`targetGatewayId`): the agent still answers on its old gateway while the new one starts
 * 2. detached (`attachedTo` null): the old gateway closes the agent's database; new messages are held at the proxy
 * 3. folder copied and verified, then `gatewayId` = target in one transaction: from here the new copy is the agent
 * 4. attached, route switched, then `release` deletes the old copy (`previousGatewayId`)
 */
@Injectable()
export class AgentMover {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly placement: PlacementService,
    private readonly operations: OperationsRepository,
    private readonly routes: RoutePublisher,
    private readonly runtime: GatewayRuntime,
    private readonly credentials: GatewayCredentials,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
  ) {}

  /** It belongs on a gateway of another kind, or is to leave the one where it is. */
  wants(agent: AgentRecord): boolean {
    return agent.gateway!.kind !== agent.desiredKind || (agent.leaveGatewayId ?? '') === agent.gatewayId;
  }

  async begin(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const target = await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'place');
      const id = await this.placement.reserve(tx, agent);
      await this.resources.changeAgent(tx, agent, { phase: 'moving', data: { targetGatewayId: id } });
      await this.operations.progress(tx, agent.id, 'start-gateway');
      return id;
    });
    await this.waker.wake('gateway', target);
    return again;
  }

  async continue(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const source = agent.gateway!;
    const target = agent.targetGateway!;
    if (agent.phase !== 'moving') return this.#enter(agent, lease);
    const unwanted = target.kind !== agent.desiredKind || target.desiredState === 'deleted' || !this.wants(agent);
    if (agent.desiredState !== 'active' || unwanted) return this.#abandon(agent, lease, target);
    if (target.phase === 'failed') return this.#targetFailed(agent, lease, source, target);
    if (target.phase !== 'ready') return this.#awaitTarget(agent, lease, target);
    if (source.desiredState === 'stopped' || SLEEPING.includes(source.phase)) return this.#startSource(lease, source);
    if (agent.attachedTo) return this.#detach(agent, lease, source);
    if (source.phase !== 'ready' || source.observedConfig < (agent.attachedGeneration ?? 0n)) {
      await this.waker.wake('gateway', source.id);
      return waitFor(WAIT_MS);
    }
    return this.#transfer(agent, lease, source, target, signal);
  }

  /** The new copy serves: delete the old one, and the gateway too when it was the agent's own. */
  async release(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const previous = await this.resources.findGateway(agent.previousGatewayId!);
    if (previous && previous.kind === 'shared' && previous.desiredState !== 'deleted') {
      if (SLEEPING.includes(previous.phase)) return this.#startSource(lease, previous);
      if (previous.phase !== 'ready') return waitFor(WAIT_MS);
      await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'release'));
      await this.runtime.removeAgent(this.#endpoint(previous), agent.id, signal);
      this.steps.reached('agent', agent.phase, 'released');
    }
    await this.resources.asAgent(lease, async (tx) => {
      if (previous?.kind === 'dedicated') await this.resources.wantGateway(tx, previous.id, 'deleted');
      await this.resources.changeAgent(tx, agent, { data: { previousGatewayId: null } });
      if (agent.phase === 'ready') {
        const result = { agentId: agent.id, gatewayId: agent.gatewayId };
        await this.operations.succeed(tx, agent.id, agent.observedGeneration, result);
      }
    });
    if (previous?.kind === 'dedicated') await this.waker.wake('gateway', previous.id);
    return again;
  }

  async #enter(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.resources.changeAgent(tx, agent, { phase: 'moving' }));
    return again;
  }

  async #awaitTarget(agent: AgentRecord, lease: Lease, target: Home): Promise<Outcome> {
    const ready = conditionsOf(target.conditions).find((condition) => condition.type === 'Ready');
    const detail = ready?.status === false ? ready.message : null;
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'start-gateway', detail));
    return waitFor(WAIT_MS);
  }

  /** Only a running gateway can hand over a folder. */
  async #startSource(lease: Lease, source: { readonly id: string }): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.resources.wantAwake(tx, source));
    await this.waker.wake('gateway', source.id);
    return waitFor(WAIT_MS);
  }

  async #detach(agent: AgentRecord, lease: Lease, source: Home): Promise<Outcome> {
    await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'quiesce');
      await this.routes.publish(tx, agent, source, 'held', lease.fence);
      const attachedGeneration = await this.resources.bumpConfig(tx, source.id);
      await this.resources.changeAgent(tx, agent, { data: { attachedTo: null, attachedGeneration } });
    });
    await this.routes.announce();
    await this.waker.wake('gateway', source.id);
    return waitFor(WAIT_MS);
  }

  async #transfer(agent: AgentRecord, lease: Lease, source: Home, target: Home, signal: AbortSignal): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'transfer'));
    const limit = deadline(TRANSFER_LIMIT_MS, signal);
    await this.runtime.copyAgent(this.#endpoint(source), this.#endpoint(target), agent.id, limit);
    this.steps.reached('agent', agent.phase, 'copied');
    await this.resources.asAgent(lease, async (tx) => {
      const attachedGeneration = await this.resources.bumpConfig(tx, target.id);
      const data = {
        gatewayId: target.id,
        targetGatewayId: null,
        previousGatewayId: source.id,
        attachedTo: target.id,
        attachedGeneration,
        leaveGatewayId: null,
        wantedHostId: null,
      };
      await this.resources.changeAgent(tx, agent, { phase: 'attaching', data });
      await this.operations.progress(tx, agent.id, 'attach');
    });
    await this.waker.wake('gateway', target.id);
    return waitFor(WAIT_MS);
  }

  /** The wish changed before the copy became the agent: the old gateway keeps it. */
  async #abandon(agent: AgentRecord, lease: Lease, target: Home): Promise<Outcome> {
    await this.resources.asAgent(lease, async (tx) => {
      await this.resources.changeAgent(tx, agent, { phase: 'waiting', data: { targetGatewayId: null } });
      if (target.kind === 'dedicated') await this.resources.wantGateway(tx, target.id, 'deleted');
    });
    await this.waker.wake('gateway', target.id);
    return again;
  }

  /** The agent stays where it answers; the operation says why it did not move. A later pass tries again. */
  async #targetFailed(agent: AgentRecord, lease: Lease, source: Home, target: Home): Promise<Outcome> {
    const ready = conditionsOf(target.conditions).find((condition) => condition.type === 'Ready');
    const code = ready?.reason ?? 'gateway-failed';
    const message = ready?.message ?? 'The new gateway failed.';
    await this.resources.asAgent(lease, async (tx) => {
      const condition = { type: 'Moved', status: false, reason: code, message };
      // Detached already: the old gateway takes it back, else nobody would answer until the next try.
      const back = agent.attachedTo
        ? {}
        : { attachedTo: source.id, attachedGeneration: await this.resources.bumpConfig(tx, source.id) };
      const data = { targetGatewayId: null, failures: { increment: 1 }, ...back };
      await this.resources.changeAgent(tx, agent, { phase: 'failed', condition, data });
      await this.routes.publish(tx, agent, source, 'live', lease.fence);
      await this.operations.fail(tx, agent.id, code, message);
      if (target.kind === 'dedicated') await this.resources.wantGateway(tx, target.id, 'deleted');
    });
    await this.routes.announce();
    await Promise.all([source.id, target.id].map((id) => this.waker.wake('gateway', id)));
    return waitFor(60_000);
  }

  #endpoint(gateway: { id: string; address: unknown }): GatewayEndpoint {
    return { ...(gateway.address as GatewayAddress), credential: this.credentials.control(gateway.id) };
  }
}
