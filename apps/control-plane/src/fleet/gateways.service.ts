import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock, deadline } from '#libs/kernel';
import { redactText } from '#libs/telemetry';
import { AuditLog } from '../audit/audit-log.js';
import { Waker } from '../provisioning/waker.js';
import { HostDrivers } from './host-drivers.js';
import { GatewayNotFound, GatewayNotRunning } from './gateways.errors.js';

/** Longest time that the host may take for a log, in milliseconds. */
const LOG_TIMEOUT = 10_000;

/** What an operator does with one gateway. */
@Injectable()
export class GatewaysService {
  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly audit: AuditLog,
    private readonly waker: Waker,
    private readonly clock: Clock,
  ) {}

  /** Replaces the process with a fresh one of the same state; the reconciler does it. */
  async restart(id: string, actor: string): Promise<void> {
    await this.database.system(async (tx) => {
      const gateway = await tx.gateway.findUnique({ where: { id } });
      if (!gateway || gateway.phase === 'deleted') throw new GatewayNotFound();
      if (gateway.desiredState !== 'running') throw new GatewayNotRunning(gateway.phase);
      await tx.gateway.update({ where: { id }, data: { generation: { increment: 1n }, dueAt: this.clock.now() } });
      const line = { action: 'gateway.restart', resource: 'gateway', resourceId: id, data: {} };
      await this.audit.record(tx, { ...line, tenantId: gateway.tenantId, actor });
    });
    await this.waker.wake('gateway', id);
  }

  /** The last `lines` lines of its output, oldest first, without what looks like a secret. */
  async logs(id: string, lines: number): Promise<string[]> {
    const gateway = await this.database.system((tx) =>
      tx.gateway.findUnique({ where: { id }, select: { hostId: true } }),
    );
    if (!gateway) throw new GatewayNotFound();
    const limit = deadline(LOG_TIMEOUT);
    return (await (await this.drivers.of(gateway.hostId, limit)).logs(id, lines, limit)).map(redactText);
  }
}
