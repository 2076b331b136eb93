import { Injectable } from '@nestjs/common';
import { Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import type { HostRow } from './hosts.service.js';

export interface HostState {
  readonly state: 'active' | 'cordoned' | 'draining' | 'lost' | 'removed';
  readonly reason: string | null;
  readonly startEmpty?: boolean;
}

/** A host's states, and what each means for what is on it. Reconcilers do the rest: their rows become due here. */
@Injectable()
export class HostStates {
  constructor(
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** The row, held until the transaction ends. */
  async hold(tx: Tx, id: string): Promise<HostRow | undefined> {
    await tx.$queryRaw`SELECT 1 FROM hosts WHERE id = ${id} AND state <> 'removed' FOR UPDATE`;
    return (await tx.host.findFirst({ where: { id, state: { not: 'removed' } } })) ?? undefined;
  }

  /** Last in its transaction: the audit line is. */
  async change(tx: Tx, host: HostRow, to: HostState, actor: string): Promise<void> {
    const data = {
      state: to.state,
      reason: to.reason,
      stateSince: this.clock.now(),
      startEmpty: to.startEmpty ?? false,
    };
    await tx.host.update({ where: { id: host.id }, data });
    if (to.state === 'active' || to.state === 'cordoned') await this.#stay(tx, host.id);
    if (to.state === 'lost' || host.state === 'lost') await this.#everythingDue(tx, host.id);
    const line = { action: `host.${VERBS[to.state]}`, resource: 'host', resourceId: host.id };
    const detail = { from: host.state, to: to.state, ...(to.state === 'lost' ? { startEmpty: data.startEmpty } : {}) };
    await this.audit.record(tx, { ...line, tenantId: null, actor, data: detail });
  }

  /** Whoever was leaving may stay; a move that is under way is given up. */
  async #stay(tx: Tx, hostId: string): Promise<void> {
    await tx.$executeRaw`
      UPDATE agents a SET leave_gateway_id = NULL, due_at = now() FROM gateways g
      WHERE a.gateway_id = g.id AND g.host_id = ${hostId} AND a.leave_gateway_id = g.id AND a.wanted_host_id IS NULL
        AND g.phase <> 'lost'`;
  }

  async #everythingDue(tx: Tx, hostId: string): Promise<void> {
    await this.wakeAll(tx, hostId);
    await tx.$executeRaw`
      UPDATE agents a SET due_at = now() FROM gateways g
      WHERE g.host_id = ${hostId} AND g.id IN (a.gateway_id, a.target_gateway_id, a.previous_gateway_id) AND a.phase <> 'deleted'`;
  }

  /** Every gateway of it is looked at again. */
  async wakeAll(tx: Tx, hostId: string): Promise<void> {
    await tx.$executeRaw`UPDATE gateways SET due_at = now() WHERE host_id = ${hostId} AND phase <> 'deleted'`;
  }

  /** Of a host that is given up for good: what is left of it in the rows is over. */
  async writeOff(tx: Tx, hostId: string): Promise<void> {
    // A pass that is under way has read something else: its lease is over.
    const over = { fence: { increment: 1n }, leaseOwner: null, leaseUntil: null };
    const data = { phase: 'deleted', phaseSince: this.clock.now(), port: null, address: Prisma.DbNull, ...over };
    await tx.gateway.updateMany({ where: { hostId, phase: { not: 'deleted' } }, data });
    await this.#everythingDue(tx, hostId);
    await tx.hostCredential.deleteMany({ where: { hostId } });
  }
}

const VERBS: Readonly<Record<HostState['state'], string>> = {
  active: 'uncordon',
  cordoned: 'cordon',
  draining: 'drain',
  lost: 'lose',
  removed: 'remove',
};
