import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { GatewayNotFound } from '../fleet/gateways.errors.js';
import { UPGRADING } from '../provisioning/phases.js';
import { Waker } from '../provisioning/waker.js';
import { GatewayNotUpgradable } from './rollouts.errors.js';

/** One gateway brought to an image by hand, beside any rollout. */
@Injectable()
export class GatewayUpgradesService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly waker: Waker,
    private readonly clock: Clock,
  ) {}

  /** Rollouts that are under way leave it alone from here on. */
  async upgrade(id: string, image: string, actor: string): Promise<void> {
    await this.database.system(async (tx) => {
      const rows = await tx.$queryRaw<
        { phase: string; tenantId: string | null; pool: string | null; desiredState: string; image: string }[]
      >`
        SELECT phase, tenant_id AS "tenantId", pool, desired_state AS "desiredState", image FROM gateways
        WHERE id = ${id} FOR UPDATE`;
      const gateway = rows[0];
      if (!gateway || gateway.phase === 'deleted') throw new GatewayNotFound();
      assertUpgradable(gateway);
      const dueAt = this.clock.now();
      await tx.gateway.update({ where: { id }, data: { targetImage: image, rolloutId: null, dueAt } });
      await tx.rolloutTarget.updateMany({
        where: { gatewayId: id, status: { in: ['pending', 'running'] } },
        data: { status: 'skipped', reason: 'upgraded-by-hand', finishedAt: dueAt },
      });
      const data = { image, before: gateway.image };
      const line = { action: 'gateway.upgrade', resource: 'gateway', resourceId: id, data };
      await this.audit.record(tx, { ...line, tenantId: gateway.tenantId, actor });
    });
    await this.waker.wake('gateway', id);
  }
}

function assertUpgradable({
  phase,
  pool,
  desiredState,
}: {
  phase: string;
  pool: string | null;
  desiredState: string;
}): void {
  if (pool)
    throw new GatewayNotUpgradable('This gateway is made ahead and nobody’s: it is replaced when the image changes.');
  if (desiredState === 'deleted') throw new GatewayNotUpgradable('This gateway is being deleted.');
  if (UPGRADING.includes(phase))
    throw new GatewayNotUpgradable(`This gateway is ${phase}: wait until the upgrade that is under way has ended.`);
}
