import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { Outbox } from '../outbox/outbox.js';
import type { WorkspaceCaller } from './workspace-caller.js';

/** Tells of what happened in a workspace. */
@Injectable()
export class WorkspaceEvents {
  constructor(
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
  ) {}

  /** Call it last in the transaction; `announce` after the commit. */
  async record(
    tx: Tx,
    caller: WorkspaceCaller,
    workspaceId: string,
    verb: string,
    data: Prisma.InputJsonObject,
  ): Promise<void> {
    const { tenantId, actor } = caller;
    const event = { tenantId, topic: 'members' as const, aggregateId: workspaceId, type: `workspace.${verb}` };
    await this.outbox.append(tx, { ...event, data: { workspaceId, ...data } });
    const line = { tenantId, actor, action: `workspace.${verb}`, resource: 'workspace', resourceId: workspaceId };
    await this.audit.record(tx, { ...line, data });
  }

  async announce(): Promise<void> {
    await this.outbox.announce();
  }
}
