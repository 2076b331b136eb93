import { Injectable } from '@nestjs/common';
import type { Lease, Tx } from '#libs/database';
import { AuditLog } from '../../audit/audit-log.js';
import { OperationsRepository } from '../../operations/operations.repository.js';
import { conditionsOf } from '../conditions.js';
import { type Outcome, again, settled } from '../outcome.js';
import { AGENT_PHASES, type AgentPhase, mayMove } from '../phases.js';
import { type AgentRecord, ResourcesRepository } from '../resources.repository.js';
import { Waker } from '../waker.js';

type Start = { readonly backupId: string | null } | undefined;

/** Agents whose one copy was on a host that was declared lost: they begin elsewhere from their last good backup. */
@Injectable()
export class LostAgents {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly operations: OperationsRepository,
    private readonly audit: AuditLog,
    private readonly waker: Waker,
  ) {}

  /** An erasure waits for the folder, or for somebody to write the host off. */
  concerns(agent: AgentRecord): boolean {
    return agent.gateway?.phase === 'lost' && agent.desiredState !== 'erased';
  }

  async continue(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const lost = agent.gateway!;
    const done = await this.resources.asAgent(lease, async (tx) => {
      const start = await this.#start(tx, agent, lost.hostId);
      if (start) await this.#letGo(tx, agent, start.backupId);
      else await this.#stay(tx, agent);
      return start !== undefined;
    });
    if (!done) return settled;
    const touched = [lost.id, agent.targetGatewayId].filter((id) => id !== null);
    await Promise.all(touched.map((id) => this.waker.wake('gateway', id)));
    return again;
  }

  /** What it begins with: a restore that was asked for already, the newest backup, nothing when an operator said so. */
  async #start(tx: Tx, agent: AgentRecord, hostId: string): Promise<Start> {
    if (agent.restoreBackupId) return { backupId: agent.restoreBackupId };
    const { tenantId, id: agentId } = agent;
    const where = { tenantId, agentId, status: 'succeeded' };
    const backup = await tx.backup.findFirst({ where, orderBy: { createdAt: 'desc' }, select: { id: true } });
    if (backup) return { backupId: backup.id };
    const { startEmpty } = await tx.host.findUniqueOrThrow({ where: { id: hostId }, select: { startEmpty: true } });
    return startEmpty || agent.attachedGeneration === null ? { backupId: null } : undefined;
  }

  /** From here on the copy on the lost host is not the agent any more, whatever becomes of the host. */
  async #letGo(tx: Tx, agent: AgentRecord, backupId: string | null): Promise<void> {
    const condition = {
      type: 'Recovered',
      status: true,
      reason: backupId ? 'from-backup' : 'started-empty',
      message: backupId
        ? `Its host was lost: it begins again from the backup ${backupId}.`
        : 'Its host was lost and there is no backup of it: it begins again with an empty folder.',
    };
    const next = mayMove(AGENT_PHASES, agent.phase as AgentPhase, 'placing') ? 'placing' : 'failed';
    await this.resources.changeAgent(tx, agent, {
      ...(agent.desiredState === 'active' ? { phase: next } : {}),
      condition,
      data: {
        gatewayId: null,
        targetGatewayId: null,
        attachedTo: null,
        attachedGeneration: null,
        leaveGatewayId: null,
        wantedHostId: null,
        restoreBackupId: backupId,
      },
    });
    if (agent.targetGateway?.kind === 'dedicated')
      await this.resources.wantGateway(tx, agent.targetGateway.id, 'deleted');
    await tx.$executeRaw`UPDATE gateways SET due_at = now() WHERE id = ${agent.gatewayId}`;
    const data = { gatewayId: agent.gatewayId!, backupId };
    const line = { action: 'agent.recover', resource: 'agent', resourceId: agent.id, data };
    await this.audit.record(tx, { ...line, tenantId: agent.tenantId, actor: 'system:host-loss' });
  }

  async #stay(tx: Tx, agent: AgentRecord): Promise<void> {
    const known = conditionsOf(agent.conditions).find((condition) => condition.type === 'Ready');
    if (known?.reason === 'no-backup') return;
    const message =
      'Its host was lost and there is no backup of it. Bring the host back, or declare it lost again with startEmpty so that it begins with an empty folder.';
    const condition = { type: 'Ready', status: false, reason: 'no-backup', message };
    const phase = agent.desiredState === 'active' ? ({ phase: 'failed' } as const) : {};
    await this.resources.changeAgent(tx, agent, { ...phase, condition });
    await this.operations.fail(tx, agent.id, 'no-backup', message);
  }
}
