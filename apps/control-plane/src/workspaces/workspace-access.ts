import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { isWorkspaceRole, type WorkspaceRole } from './workspace-policy.js';

/** Who may use which workspace. Runs in the caller's tenant transaction. */
@Injectable()
export class WorkspaceAccess {
  /** The member's role there; undefined when it has none, also for a workspace of another tenant. */
  async roleOf(tx: Tx, tenantId: string, workspaceId: string, memberId: string): Promise<WorkspaceRole | undefined> {
    const where = { tenantId, workspaceId, memberId };
    const row = await tx.workspaceRole.findFirst({ where, select: { role: true } });
    return row && isWorkspaceRole(row.role) ? row.role : undefined;
  }
}
