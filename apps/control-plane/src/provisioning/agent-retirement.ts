import { Injectable } from '@nestjs/common';
import type { Lease, Tx } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { GatewayRuntime } from '#libs/runtimes/core';
import { BackupErasure } from '../backups/backup-erasure.js';
import { OperationsRepository } from '../operations/operations.repository.js';
import { RoutePublisher } from '../routing/route-publisher.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { eraseFromWorkspaces } from '../workspaces/workspace-erasure.js';
import { AgentMover } from './agent-mover.js';
import { type Outcome, again, settled, waitFor } from './outcome.js';
import { SLEEPING } from './phases.js';
import { type AgentRecord, ResourcesRepository } from './resources.repository.js';
import { StepObserver } from './steps.js';
import { KeptStates } from './upgrades/kept-states.js';
import { Waker } from './waker.js';

const WAIT_MS = 2_000;

/** Takes an agent out of service: pause and cancel keep its folder, erase deletes it. */
@Injectable()
export class AgentRetirement {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly operations: OperationsRepository,
    private readonly routes: RoutePublisher,
    private readonly mover: AgentMover,
    private readonly kept: KeptStates,
    private readonly runtime: GatewayRuntime,
    private readonly credentials: GatewayCredentials,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
    private readonly backups: BackupErasure,
  ) {}

  async continue(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const erasing = agent.desiredState === 'erased';
    if (agent.attachedTo || (agent.phase !== 'detaching' && agent.phase !== 'erasing' && agent.phase !== 'inactive')) {
      return this.#withdraw(agent, lease);
    }
    if (!this.#isClosed(agent)) return this.#awaitClosed(agent, lease);
    if (agent.previousGatewayId) return this.mover.release(agent, lease, signal);
    return erasing ? this.#erase(agent, lease, signal) : this.#rest(agent, lease);
  }

  /** Nobody reaches it any more: the route goes first, then the gateway is told. */
  async #withdraw(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const home = agent.attachedTo;
    await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'detach');
      await this.routes.withdraw(tx, agent, lease.fence);
      const attachedGeneration = home ? await this.resources.bumpConfig(tx, home) : agent.attachedGeneration;
      const phase = agent.desiredState === 'erased' ? 'erasing' : 'detaching';
      await this.resources.changeAgent(tx, agent, { phase, data: { attachedTo: null, attachedGeneration } });
    });
    await this.routes.announce();
    if (home) await this.waker.wake('gateway', home);
    return again;
  }

  /** True when no process has the agent's database open: its gateway confirmed, or does not run. */
  #isClosed(agent: AgentRecord): boolean {
    const gateway = agent.gateway;
    if (!gateway || ['suspended', 'lost', 'deleted'].includes(gateway.phase)) return true;
    return neverServed(gateway) || gateway.observedConfig >= (agent.attachedGeneration ?? 0n);
  }

  /** A sleeping gateway is woken to let go of the agent; one that runs says when it has. */
  async #awaitClosed(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    if (agent.gateway && SLEEPING.includes(agent.gateway.phase)) return this.#awaitGateway(agent.gateway, lease);
    return waitFor(WAIT_MS);
  }

  async #rest(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const own = agent.gateway?.kind === 'dedicated' ? agent.gateway : undefined;
    await this.resources.asAgent(lease, async (tx) => {
      const message = 'Out of service on request; its data is kept.';
      const condition = { type: 'Ready', status: false, reason: 'inactive', message };
      const data = { observedGeneration: agent.generation, failures: 0 };
      await this.operations.progress(tx, agent.id, 'release');
      if (own) await this.resources.wantGateway(tx, own.id, 'stopped');
      await this.resources.changeAgent(tx, agent, { phase: 'inactive', condition, data });
      await this.operations.succeed(tx, agent.id, agent.generation, { agentId: agent.id });
    });
    if (own) await this.waker.wake('gateway', own.id);
    // It was to leave for another gateway and could not: it is tried again, as nobody else will ask.
    return this.mover.wantsAtRest({ ...agent, phase: 'inactive' }) ? again : settled;
  }

  async #erase(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (agent.phase !== 'erasing') {
      await this.resources.asAgent(lease, (tx) => this.resources.changeAgent(tx, agent, { phase: 'erasing' }));
      return again;
    }
    const gateway = agent.gateway;
    // Gone with its host, which an operator has written off: so is the folder.
    if (gateway?.kind === 'shared' && gateway.phase !== 'deleted' && !neverServed(gateway)) {
      if (gateway.phase === 'lost') return this.#awaitHost(agent, lease);
      if (gateway.phase !== 'ready') return this.#awaitGateway(gateway, lease);
      const address = gateway.address as unknown as GatewayAddress;
      const endpoint = { ...address, credential: this.credentials.control(gateway.id) };
      await this.runtime.removeAgent(endpoint, agent.id, signal);
      this.steps.reached('agent', agent.phase, 'removed');
    }
    await this.kept.dropOfTenant(agent.tenantId, signal);
    // One that is being made right now is let go of by its process within seconds.
    if (!(await this.backups.erase(agent, signal))) return waitFor(WAIT_MS);
    this.steps.reached('agent', agent.phase, 'backups-removed');
    await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'erase');
      const useless = gateway && (gateway.kind === 'dedicated' || (await this.#isNobodys(tx, gateway, agent)));
      if (useless) await this.resources.wantGateway(tx, gateway.id, 'deleted');
      await this.resources.changeAgent(tx, agent, {
        phase: 'deleted',
        data: { gatewayId: null, observedGeneration: agent.generation },
      });
      await this.#anonymise(tx, agent);
      await this.operations.succeed(tx, agent.id, agent.generation, { agentId: agent.id });
    });
    if (gateway) await this.waker.wake('gateway', gateway.id);
    return settled;
  }

  /** A cell that was made for this agent and never came about: it keeps no port for nobody. */
  async #isNobodys(tx: Tx, gateway: { readonly id: string; readonly observedConfig: bigint }, agent: AgentRecord) {
    const { id: gatewayId } = gateway;
    const others = { id: { not: agent.id }, OR: [{ gatewayId }, { targetGatewayId: gatewayId }] };
    return neverServed(gateway) && (await tx.agent.count({ where: others })) === 0;
  }

  /** The folder is on a host that is gone: it is deleted when the host comes back, or with the host when that is removed. */
  async #awaitHost(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const detail =
      'Its folder is on a host that was lost: it is deleted when the host is back, or is removed for good.';
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'erase', detail));
    return settled;
  }

  /** Only a gateway that runs can delete a folder. */
  async #awaitGateway(gateway: { readonly id: string; readonly phase: string }, lease: Lease): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) => this.resources.wantAwake(tx, gateway));
    await this.waker.wake('gateway', gateway.id);
    return waitFor(WAIT_MS);
  }

  /** What remains of the person is a line without a name; the tenant's external id becomes free again. */
  async #anonymise(tx: Tx, agent: AgentRecord): Promise<void> {
    const { tenantId, memberId, workspaceId, member } = agent;
    await eraseFromWorkspaces(tx, { tenantId, memberId, workspaceId, email: member.email });
    const externalId = `erased:${agent.memberId}:${this.clock.now().getTime()}`;
    await tx.member.update({
      where: { id: agent.memberId },
      data: { externalId, email: `${agent.memberId}@erased.invalid`, name: null, status: 'erased' },
    });
    await tx.workspace.update({ where: { id: agent.workspaceId }, data: { name: 'Erased' } });
    await tx.memberExport.deleteMany({ where: { tenantId, memberId } });
    await tx.secret.deleteMany({ where: { tenantId: agent.tenantId, memberId: agent.memberId } });
  }
}

/**
 * It has confirmed no configuration yet: there is nothing of an agent on it, and it may never start. One that is starting
 * this very moment is ended with its agent, or is told without it.
 */
const neverServed = ({ observedConfig }: { readonly observedConfig: bigint }): boolean => observedConfig === 0n;
