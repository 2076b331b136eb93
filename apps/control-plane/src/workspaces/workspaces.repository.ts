import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { isWorkspaceRole, type WorkspaceRole } from './workspace-policy.js';
import { WorkspaceNotFound } from './workspaces.errors.js';

const VIEW = { agent: { select: { id: true, desiredState: true } } } satisfies Prisma.WorkspaceInclude;

export type WorkspaceRow = Prisma.WorkspaceGetPayload<{ include: typeof VIEW }>;

/** Somebody in a workspace. */
export interface RoleRow {
  readonly memberId: string;
  readonly role: WorkspaceRole;
  readonly createdAt: Date;
}

/** The owner of a workspace, and what the member who asks is there. */
export interface Standing {
  readonly ownerId: string | null;
  readonly role: WorkspaceRole | null;
}

/** Nothing of a member that is being erased is served any more. */
const ALIVE = { member: { status: { not: 'erased' } }, NOT: { agent: { desiredState: 'erased' } } };

const toRoleRow = (row: { memberId: string; role: string; createdAt: Date }): RoleRow[] => {
  const { memberId, role, createdAt } = row;
  return isWorkspaceRole(role) ? [{ memberId, role, createdAt }] : [];
};

/** Workspaces and roles as rows, in the caller's tenant transaction. */
@Injectable()
export class WorkspacesRepository {
  constructor(private readonly clock: Clock) {}

  /** Throws WorkspaceNotFound. */
  async get(tx: Tx, tenantId: string, id: string): Promise<WorkspaceRow> {
    const row = await tx.workspace.findFirst({ where: { id, tenantId, ...ALIVE }, include: VIEW });
    if (!row) throw new WorkspaceNotFound();
    return row;
  }

  /**
   * Held until the transaction ends: changes of who is in a workspace happen one after the other, so that there is one
   * owner at every moment. Throws WorkspaceNotFound.
   */
  async lock(tx: Tx, tenantId: string, id: string): Promise<WorkspaceRow> {
    await tx.$queryRaw`SELECT 1 FROM workspaces WHERE id = ${id} FOR NO KEY UPDATE`;
    return this.get(tx, tenantId, id);
  }

  /** Those where the member has a role; every one when no member is named. */
  async list(
    tx: Tx,
    tenantId: string,
    filter: { readonly memberId?: string | undefined; readonly after?: string | undefined; readonly limit: number },
  ): Promise<WorkspaceRow[]> {
    const { memberId, after, limit } = filter;
    const ids = memberId === undefined ? undefined : await this.#workspacesOf(tx, tenantId, memberId);
    return tx.workspace.findMany({
      where: { tenantId, ...ALIVE, id: { ...(ids ? { in: ids } : {}), ...(after ? { gt: after } : {}) } },
      include: VIEW,
      orderBy: { id: 'asc' },
      take: limit,
    });
  }

  async change(tx: Tx, id: string, data: { readonly name?: string; readonly stage?: string }): Promise<WorkspaceRow> {
    const row = await tx.workspace.update({
      where: { id },
      data: { ...data, updatedAt: this.clock.now() },
      include: VIEW,
    });
    // The agent's configuration carries the context: it is compiled and delivered again.
    await tx.agent.updateMany({
      where: { workspaceId: id, desiredState: 'active' },
      data: { generation: { increment: 1n }, dueAt: this.clock.now() },
    });
    return row;
  }

  async roles(tx: Tx, tenantId: string, workspaceId: string): Promise<RoleRow[]> {
    const rows = await tx.workspaceRole.findMany({
      where: { tenantId, workspaceId },
      orderBy: [{ createdAt: 'asc' }, { memberId: 'asc' }],
    });
    return rows.flatMap(toRoleRow);
  }

  /** Of several workspaces the owner, and what a member is there. */
  async standings(
    tx: Tx,
    tenantId: string,
    workspaceIds: readonly string[],
    memberId: string | undefined,
  ): Promise<ReadonlyMap<string, Standing>> {
    const mine = memberId === undefined ? [] : [{ memberId }];
    const where = { tenantId, workspaceId: { in: [...workspaceIds] }, OR: [{ role: 'owner' }, ...mine] };
    const standings = new Map<string, Standing>();
    for (const row of await tx.workspaceRole.findMany({ where })) {
      const { ownerId = null, role = null } = standings.get(row.workspaceId) ?? {};
      standings.set(row.workspaceId, {
        ownerId: row.role === 'owner' ? row.memberId : ownerId,
        role: row.memberId === memberId && isWorkspaceRole(row.role) ? row.role : role,
      });
    }
    return standings;
  }

  async setRole(tx: Tx, tenantId: string, workspaceId: string, memberId: string, role: WorkspaceRole): Promise<void> {
    await tx.workspaceRole.upsert({
      where: { workspaceId_memberId: { workspaceId, memberId } },
      create: { workspaceId, memberId, tenantId, role, createdAt: this.clock.now() },
      update: { role },
    });
  }

  async removeRole(tx: Tx, tenantId: string, workspaceId: string, memberId: string): Promise<void> {
    await tx.workspaceRole.deleteMany({ where: { tenantId, workspaceId, memberId } });
  }

  async #workspacesOf(tx: Tx, tenantId: string, memberId: string): Promise<string[]> {
    const rows = await tx.workspaceRole.findMany({ where: { tenantId, memberId }, select: { workspaceId: true } });
    return rows.map((row) => row.workspaceId);
  }
}
