import { Injectable } from '@nestjs/common';
import type { Lease, Tx } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock, deadline } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import { OperationsRepository } from '../operations/operations.repository.js';
import { RoutePublisher } from '../routing/route-publisher.js';
import { conditionsOf } from './conditions.js';
import { GatewayHost } from './gateway-host.js';
import { type Outcome, again, waitFor } from './outcome.js';
import { SLEEPING } from './phases.js';
import { PlacementService } from './placement.service.js';
import { type AgentRecord, type ConditionChange, ResourcesRepository } from './resources.repository.js';
import { StepObserver } from './steps.js';
import { Waker } from './waker.js';

const WAIT_MS = 2_000;
const TRANSFER_LIMIT_MS = 300_000;
/** An agent that was closed for its move and could not be copied for this long is given back to where it was. */
const QUIESCE_LIMIT_MS = 90_000;

type Home = NonNullable<AgentRecord['targetGateway']>;
type Source = NonNullable<AgentRecord['gateway']>;
type Fault = { readonly code: string; readonly message: string };

const CLOSED: ConditionChange = {
  type: 'Quiesced',
  status: true,
  reason: 'moving',
  message: 'Closed on its gateway while its folder is copied. Messages wait, for at most some seconds.',
};
const OPEN: ConditionChange = { type: 'Quiesced', status: false, reason: 'moved', message: 'Not being moved.' };

/**
 * Moves an agent between gateways without losing or repeating a message. The columns say how far it is, so that every
 * step can be repeated after a crash:
 *
 * 1. target reserved (`targetGatewayId`): the agent still answers on its old gateway while the new one starts
 * 2. detached (`attachedTo` null): the old gateway gives running answers their time, then closes the agent's database; new
 *    messages are held at the proxy. From here the move succeeds within bounds, or the old gateway takes the agent back.
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
    private readonly host: GatewayHost,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  /** It belongs on a gateway of another kind, or is to leave the one where it is. */
  wants(agent: AgentRecord): boolean {
    return agent.gateway!.kind !== agent.desiredKind || leaves(agent);
  }

  /** Out of service, and to leave nevertheless: its folder moves, and it stays out of service. */
  wantsAtRest(agent: AgentRecord): boolean {
    const rests = agent.desiredState === 'inactive' && agent.phase === 'inactive' && !agent.previousGatewayId;
    return rests && agent.gateway !== null && leaves(agent);
  }

  async begin(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const target = await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'place');
      const id = await this.placement.reserve(tx, agent);
      await this.resources.wantAwake(tx, { id });
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
    if (this.#unwanted(agent, target)) return this.#abandon(agent, lease, target);
    if (target.phase === 'failed') return this.#giveBack(agent, lease, faultOf(target));
    if (this.#isStuck(agent)) return this.#giveBack(agent, lease, tooSlow(source, target));
    if (target.phase !== 'ready' || target.host.silentSince) return this.#awaitTarget(agent, lease, target);
    if (source.phase !== 'ready' || source.host.silentSince) return this.#awaitSource(agent, lease, source);
    if (agent.attachedTo) return this.#detach(agent, lease, source);
    if (source.observedConfig >= (agent.attachedGeneration ?? 0n))
      return this.#transfer(agent, lease, source, target, signal);
    await this.waker.wake('gateway', source.id);
    return waitFor(WAIT_MS);
  }

  /** The new copy serves: delete the old one, and the gateway too when it was the agent's own. */
  async release(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const previous = await this.resources.findGateway(agent.previousGatewayId!);
    // What is on a lost host goes with it, or when it comes back.
    // What it has come back to since is no old copy.
    const reachable = previous && previous.id !== agent.gatewayId && !['lost', 'deleted'].includes(previous.phase);
    if (reachable && previous.kind === 'shared' && previous.desiredState !== 'deleted') {
      if (SLEEPING.includes(previous.phase)) return this.#wakeUp(lease, previous);
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

  /** The wish has changed, or the target is gone. One that is taken out of service while it still answers is not moved first. */
  #unwanted(agent: AgentRecord, target: Home): boolean {
    const gone = target.desiredState === 'deleted' || ['lost', 'deleted'].includes(target.phase) || isHeld(target);
    const resting = agent.desiredState === 'inactive' && agent.attachedTo === null && leaves(agent);
    return (
      gone || target.kind !== agent.desiredKind || !this.wants(agent) || !(agent.desiredState === 'active' || resting)
    );
  }

  /** Only what was closed for the move; one that was out of service before keeps nobody waiting. */
  #isStuck(agent: AgentRecord): boolean {
    const closed = conditionsOf(agent.conditions).find(({ type, status }) => type === 'Quiesced' && status);
    if (!closed || agent.attachedTo !== null) return false;
    return this.clock.now().getTime() - Date.parse(closed.at) > QUIESCE_LIMIT_MS;
  }

  async #enter(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.resources.changeAgent(tx, agent, { phase: 'moving' }));
    return again;
  }

  async #awaitTarget(agent: AgentRecord, lease: Lease, target: Home): Promise<Outcome> {
    if (SLEEPING.includes(target.phase)) return this.#wakeUp(lease, target);
    const ready = conditionsOf(target.conditions).find((condition) => condition.type === 'Ready');
    const said = ready?.status === false ? ready.message : null;
    const detail = target.host.silentSince ? 'The host that it is to move to does not answer.' : said;
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'start-gateway', detail));
    return waitFor(WAIT_MS);
  }

  /** Only a running gateway can hand over a folder; one that is being upgraded or restarted goes on serving first. */
  async #awaitSource(agent: AgentRecord, lease: Lease, source: Source): Promise<Outcome> {
    if (source.desiredState === 'stopped' || SLEEPING.includes(source.phase)) return this.#wakeUp(lease, source);
    const state = source.host.silentSince ? 'on a host that does not answer' : source.phase;
    const detail = `Its gateway is ${state}; it moves when that is over.`;
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'start-gateway', detail));
    return waitFor(WAIT_MS);
  }

  async #wakeUp(lease: Lease, gateway: { readonly id: string }): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.resources.wantAwake(tx, gateway));
    await this.waker.wake('gateway', gateway.id);
    return waitFor(WAIT_MS);
  }

  async #detach(agent: AgentRecord, lease: Lease, source: Home): Promise<Outcome> {
    await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'quiesce');
      await this.routes.publish(tx, agent, source, 'held', lease.fence);
      const attachedGeneration = await this.resources.bumpConfig(tx, source.id);
      const data = { attachedTo: null, attachedGeneration };
      await this.resources.changeAgent(tx, agent, { condition: CLOSED, data });
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
      const attached = active(agent) ? await this.resources.bumpConfig(tx, target.id) : null;
      await this.resources.changeAgent(tx, agent, {
        phase: active(agent) ? 'attaching' : 'detaching',
        condition: OPEN,
        data: {
          gatewayId: target.id,
          targetGatewayId: null,
          previousGatewayId: source.id,
          attachedTo: active(agent) ? target.id : null,
          attachedGeneration: attached,
          leaveGatewayId: null,
          wantedHostId: null,
        },
      });
      await this.operations.progress(tx, agent.id, 'attach');
    });
    await this.waker.wake('gateway', target.id);
    return active(agent) ? waitFor(WAIT_MS) : again;
  }

  /** The wish changed before the copy became the agent: the old gateway keeps it. */
  async #abandon(agent: AgentRecord, lease: Lease, target: Home): Promise<Outcome> {
    await this.resources.asAgent(lease, async (tx) => {
      const data = await this.#drop(tx, agent, target);
      await this.resources.changeAgent(tx, agent, { phase: 'waiting', condition: OPEN, data });
    });
    await this.waker.wake('gateway', target.id);
    return again;
  }

  /** The agent stays where it answers; the operation says why it did not move. A later pass tries again. */
  async #giveBack(agent: AgentRecord, lease: Lease, { code, message }: Fault): Promise<Outcome> {
    const [source, target] = [agent.gateway!, agent.targetGateway!];
    await this.resources.asAgent(lease, async (tx) => {
      // Detached already: the old gateway takes it back, else nobody would answer until the next try.
      const back =
        agent.attachedTo || !active(agent)
          ? {}
          : { attachedTo: source.id, attachedGeneration: await this.resources.bumpConfig(tx, source.id) };
      const data = { failures: { increment: 1 }, ...(await this.#drop(tx, agent, target)), ...back };
      const condition = { ...OPEN, reason: code, message };
      await this.resources.changeAgent(tx, agent, { phase: 'failed', condition, data });
      if (active(agent)) await this.routes.publish(tx, agent, source, 'live', lease.fence);
      await this.operations.fail(tx, agent.id, code, message);
    });
    await this.routes.announce();
    await Promise.all([source.id, target.id].map((id) => this.waker.wake('gateway', id)));
    return waitFor(60_000);
  }

  #endpoint({ id, address }: { readonly id: string; readonly address: unknown }): GatewayEndpoint {
    return this.host.endpoint(id, address as GatewayAddress);
  }

  /** Gives the target up. What a transfer that was cut short left in a cell is deleted there like an old copy. */
  async #drop(
    tx: Tx,
    agent: AgentRecord,
    target: Home,
  ): Promise<{ targetGatewayId: null; previousGatewayId?: string }> {
    if (target.kind === 'dedicated') await this.resources.wantGateway(tx, target.id, 'deleted');
    const copied = target.kind === 'shared' && agent.attachedTo === null && agent.previousGatewayId === null;
    return { targetGatewayId: null, ...(copied ? { previousGatewayId: target.id } : {}) };
  }
}

/** Somebody keeps the cell for a look, for as long as they like. */
const isHeld = ({ kind, quarantinedAt }: Home): boolean => kind === 'shared' && quarantinedAt !== null;
const active = (agent: AgentRecord): boolean => agent.desiredState === 'active';
const leaves = (agent: AgentRecord): boolean => agent.gatewayId !== null && agent.leaveGatewayId === agent.gatewayId;

function faultOf(target: Home): Fault {
  const ready = conditionsOf(target.conditions).find((condition) => condition.type === 'Ready');
  return { code: ready?.reason ?? 'gateway-failed', message: ready?.message ?? 'The new gateway failed.' };
}

const tooSlow = (source: Home, target: Home): Fault => ({
  code: 'move-too-slow',
  message: `Its folder could not be copied within ${QUIESCE_LIMIT_MS / 1_000} s (from a gateway that is ${source.phase} to one that is ${target.phase}). It answers where it was; the move is tried again by itself.`,
});
