import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { RevocationsService } from '../tokens/revocations.service.js';
import { assertMay, roleIn, type WorkspaceCaller } from './workspace-caller.js';
import { WorkspaceEvents } from './workspace-events.js';
import { WorkspaceInvitationsRepository } from './workspace-invitations.repository.js';
import { GRANTED_ROLES, mayIn, WORKSPACE_ROLES, type WorkspaceRole } from './workspace-policy.js';
import { MemberNotActiveHere, OwnerStays, WorkspaceFull, WorkspaceMemberNotFound } from './workspaces.errors.js';
import { type RoleRow, WorkspacesRepository } from './workspaces.repository.js';

/** People in one workspace. */
export const MAX_MEMBERS = 100;

export interface WorkspaceMemberView {
  readonly memberId: string;
  /** The tenant's own id; null when a member asks. */
  readonly externalId: string | null;
  readonly name: string | null;
  readonly role: WorkspaceRole;
  readonly since: string;
}

const rank = (role: WorkspaceRole): number => WORKSPACE_ROLES.indexOf(role);

/** Who is in a workspace, as what. Every change holds the workspace's row: there is one owner at every moment. */
@Injectable()
export class WorkspaceMembersService {
  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesRepository,
    private readonly invitations: WorkspaceInvitationsRepository,
    private readonly revocations: RevocationsService,
    private readonly events: WorkspaceEvents,
  ) {}

  async list(caller: WorkspaceCaller, workspaceId: string): Promise<WorkspaceMemberView[]> {
    const { tenantId, memberId: asking } = caller;
    return this.database.tenant(tenantId, async (tx) => {
      await this.workspaces.get(tx, tenantId, workspaceId);
      const roles = await this.workspaces.roles(tx, tenantId, workspaceId);
      assertMay(caller, roles, { do: 'list-members' });
      const ids = roles.map((row) => row.memberId);
      const people = await tx.member.findMany({ where: { tenantId, id: { in: ids } } });
      const byId = new Map(people.map((person) => [person.id, person]));
      return roles.map(({ memberId, role, createdAt }) => ({
        memberId,
        externalId: asking === undefined ? (byId.get(memberId)?.externalId ?? null) : null,
        name: byId.get(memberId)?.name ?? null,
        role,
        since: createdAt.toISOString(),
      }));
    });
  }

  /** Gives somebody in the workspace another role; the tenant also brings somebody in. `owner` hands the workspace over. */
  async setRole(caller: WorkspaceCaller, workspaceId: string, memberId: string, role: WorkspaceRole): Promise<void> {
    await this.#changing(caller, workspaceId, async (tx, roles) => {
      const before = roleIn(roles, memberId);
      if (before === undefined) await this.#assertMayBringIn(tx, caller, roles, memberId);
      if (before === role) return assertMay(caller, roles, { do: 'read' });
      if (role === 'owner') return this.#handOver(tx, caller, workspaceId, roles, memberId);
      if (before === 'owner') throw this.#ownerStays(caller, roles);
      if (before) assertMay(caller, roles, { do: 'set-role', from: before, to: role });
      await this.workspaces.setRole(tx, caller.tenantId, workspaceId, memberId, role);
      await this.#lose(tx, caller, workspaceId, memberId, before, role);
      await this.events.record(tx, caller, workspaceId, 'set-role', { memberId, from: before ?? null, to: role });
    });
  }

  /** Removes somebody, or leaves. */
  async remove(caller: WorkspaceCaller, workspaceId: string, memberId: string): Promise<void> {
    await this.#changing(caller, workspaceId, async (tx, roles) => {
      assertMay(caller, roles, { do: 'read' });
      const before = roleIn(roles, memberId);
      if (!before) throw new WorkspaceMemberNotFound();
      if (before === 'owner') throw this.#ownerStays(caller, roles);
      const leaves = caller.memberId === memberId;
      assertMay(caller, roles, leaves ? { do: 'leave' } : { do: 'remove', role: before });
      await this.workspaces.removeRole(tx, caller.tenantId, workspaceId, memberId);
      await this.#lose(tx, caller, workspaceId, memberId, before, undefined);
      await this.events.record(tx, caller, workspaceId, leaves ? 'leave' : 'remove-member', { memberId, role: before });
    });
  }

  async #handOver(
    tx: Tx,
    caller: WorkspaceCaller,
    workspaceId: string,
    roles: readonly RoleRow[],
    to: string,
  ): Promise<void> {
    assertMay(caller, roles, { do: 'hand-over' });
    const { tenantId } = caller;
    const from = roles.find((row) => row.role === 'owner')?.memberId;
    // In this order: the database allows no second owner, not even within the transaction.
    if (from) await this.workspaces.setRole(tx, tenantId, workspaceId, from, 'admin');
    await this.workspaces.setRole(tx, tenantId, workspaceId, to, 'owner');
    if (from) await this.#lose(tx, caller, workspaceId, from, 'owner', 'admin');
    await this.events.record(tx, caller, workspaceId, 'hand-over', { from: from ?? null, to });
  }

  /** What somebody could do and can no more ends at once: open invitations of theirs, and tokens. */
  async #lose(
    tx: Tx,
    caller: WorkspaceCaller,
    workspaceId: string,
    memberId: string,
    before: WorkspaceRole | undefined,
    after: WorkspaceRole | undefined,
  ): Promise<void> {
    if (before === undefined || (after !== undefined && rank(after) <= rank(before))) return;
    const cannot = GRANTED_ROLES.filter((as) => after === undefined || !mayIn(after, { do: 'invite', as }));
    await this.invitations.revokeOf(tx, caller.tenantId, workspaceId, `member:${memberId}`, cannot);
    // The old owner keeps every use of the workspace; tokens of who is out, or a guest now, must not work on.
    if (before !== 'owner') await this.revocations.revokeMemberIn(tx, caller, memberId);
  }

  /** Only the tenant does that without asking; members send an invitation. */
  async #assertMayBringIn(tx: Tx, caller: WorkspaceCaller, roles: readonly RoleRow[], memberId: string): Promise<void> {
    assertMay(caller, roles, { do: 'read' });
    if (caller.memberId !== undefined) throw new WorkspaceMemberNotFound();
    const { tenantId } = caller;
    const member = await tx.member.findFirst({ where: { tenantId, id: memberId }, select: { status: true } });
    if (!member) throw new WorkspaceMemberNotFound();
    if (member.status !== 'active') throw new MemberNotActiveHere();
    if (roles.length >= MAX_MEMBERS) throw new WorkspaceFull(MAX_MEMBERS);
  }

  /** For who may not touch the owner at all it is a matter of rights; for the others the state forbids it. */
  #ownerStays(caller: WorkspaceCaller, roles: readonly RoleRow[]): OwnerStays {
    if (roleIn(roles, caller.memberId) !== 'owner') assertMay(caller, roles, { do: 'hand-over' });
    return new OwnerStays();
  }

  async #changing(
    caller: WorkspaceCaller,
    workspaceId: string,
    work: (tx: Tx, roles: readonly RoleRow[]) => Promise<void>,
  ): Promise<void> {
    await this.database.tenant(caller.tenantId, async (tx) => {
      await this.workspaces.lock(tx, caller.tenantId, workspaceId);
      await work(tx, await this.workspaces.roles(tx, caller.tenantId, workspaceId));
    });
    await Promise.all([this.events.announce(), this.revocations.announce()]);
  }
}
