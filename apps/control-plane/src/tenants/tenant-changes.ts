import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { ChangeNotifier } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { Outbox } from '../outbox/outbox.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';

export interface TenantChange {
  readonly tenantId: string;
  readonly actor: string;
  readonly action: string;
  /** The status it had. */
  readonly before: string;
  readonly detail: Prisma.InputJsonObject;
}

/** Tells of a change of a tenant: audit line and event in its transaction, proxies and readers after the commit. */
@Injectable()
export class TenantChanges {
  constructor(
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly notifier: ChangeNotifier,
  ) {}

  /** Call it last in the transaction. */
  async record(tx: Tx, { tenantId, actor, action, before, detail }: TenantChange): Promise<void> {
    const data = { before, ...detail };
    await this.outbox.append(tx, { tenantId, topic: 'tenants', aggregateId: tenantId, type: action, data });
    const line = { tenantId, actor, action: `tenant.${action}`, resource: 'tenant', resourceId: tenantId };
    await this.audit.record(tx, { ...line, data });
  }

  async announce(): Promise<void> {
    await Promise.all([this.notifier.publish(ROUTES_CHANNEL), this.outbox.announce()]);
  }
}
