import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { OperationView } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { OperationsRepository, toOperationView } from '../operations/operations.repository.js';
import { Outbox } from '../outbox/outbox.js';
import { Waker } from '../provisioning/waker.js';
import { AgentStateForbids, AgentUnknown, HostNotFound, HostStateForbids } from './hosts.errors.js';
import { HostsRepository } from './hosts.repository.js';

type Movable = NonNullable<Awaited<ReturnType<typeof readAgent>>>;

/** Moves one agent with all it has to another gateway, because an operator says so. */
@Injectable()
export class AgentMovesService {
  constructor(
    private readonly database: Database,
    private readonly hosts: HostsRepository,
    private readonly operations: OperationsRepository,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly waker: Waker,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  async move(agentId: string, actor: string, hostId?: string): Promise<OperationView> {
    const operation = await this.database.system(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM agents WHERE id = ${agentId} FOR UPDATE`;
      const agent = await readAgent(tx, agentId);
      if (!agent || agent.phase === 'deleted') throw new AgentUnknown();
      await this.#assertMovable(tx, agent);
      if (hostId !== undefined) await this.#assertTakes(tx, agent, hostId);
      const wish = { leaveGatewayId: agent.gatewayId, wantedHostId: hostId ?? null, dueAt: this.clock.now() };
      await tx.agent.update({ where: { id: agentId }, data: wish });
      const opened = await this.#open(tx, agent);
      const data = { from: agent.gatewayId, hostId: hostId ?? null };
      const line = { action: 'agent.move', resource: 'agent', resourceId: agentId, data };
      await this.audit.record(tx, { ...line, tenantId: agent.tenantId, actor });
      return opened;
    });
    await Promise.all([this.outbox.announce(), this.waker.wake('agent', agentId)]);
    return toOperationView(operation);
  }

  /** One thing at a time: whoever waits for another operation gets that one's end. */
  async #assertMovable(tx: Tx, agent: Movable): Promise<void> {
    if (agent.desiredState === 'erased') throw new AgentStateForbids('An agent that is being erased cannot be moved.');
    const rests = agent.desiredState === 'active' ? agent.phase === 'ready' : agent.phase === 'inactive';
    const open = await this.operations.findOpen(tx, agent.id);
    if (!rests || !agent.gatewayId || agent.targetGatewayId || agent.previousGatewayId || open)
      throw new AgentStateForbids(
        `The agent is ${agent.phase}${open ? ` and the operation ${open.id} is under way` : ''}. Move it when that is over.`,
      );
  }

  async #assertTakes(tx: Tx, agent: Movable, hostId: string): Promise<void> {
    const host = await this.hosts.find(tx, hostId);
    if (!host) throw new HostNotFound();
    if (host.state !== 'active') throw new HostStateForbids(`The host is ${host.state}, so it takes nothing new.`);
    if (agent.gateway?.hostId === hostId) throw new AgentStateForbids('The agent is on this host already.');
  }

  #open(tx: Tx, agent: Movable) {
    const { id: agentId, tenantId, memberId, generation } = agent;
    const deadlineSeconds = this.config.operationDeadlineSeconds;
    return this.operations.open(tx, {
      tenantId,
      memberId,
      agentId,
      kind: 'move',
      moves: true,
      generation,
      deadlineSeconds,
    });
  }
}

const readAgent = (tx: Tx, id: string) =>
  tx.agent.findUnique({ where: { id }, include: { gateway: { select: { hostId: true } } } });
