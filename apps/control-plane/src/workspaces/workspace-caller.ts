import { actorOf, type Principal } from '../identity/principal.js';
import type { RoleRow } from './workspaces.repository.js';
import { mayIn, type WorkspaceAction, type WorkspaceRole } from './workspace-policy.js';
import { WorkspaceNotFound, WorkspaceRoleForbids } from './workspaces.errors.js';

/** Who wants something in a workspace: a member, with the powers of a role, or the tenant, with those of the owner. */
export interface WorkspaceCaller {
  readonly tenantId: string;
  /** For the audit log. */
  readonly actor: string;
  /** Absent: the tenant itself. */
  readonly memberId?: string;
}

export const asTenant = (tenantId: string, principal: Principal): WorkspaceCaller => ({
  tenantId,
  actor: actorOf(principal),
});

export const asMember = (member: Extract<Principal, { kind: 'member' }>): WorkspaceCaller => ({
  tenantId: member.tenantId,
  actor: actorOf(member),
  memberId: member.memberId,
});

export const roleIn = (roles: readonly RoleRow[], memberId: string | undefined): WorkspaceRole | undefined =>
  roles.find((row) => row.memberId === memberId)?.role;

/** Who is not in the workspace does not learn that there is one. Throws WorkspaceNotFound or WorkspaceRoleForbids. */
export function assertMay(caller: WorkspaceCaller, roles: readonly RoleRow[], action: WorkspaceAction): void {
  const role = caller.memberId === undefined ? 'owner' : roleIn(roles, caller.memberId);
  if (!role) throw new WorkspaceNotFound();
  if (!mayIn(role, action)) throw new WorkspaceRoleForbids(role);
}
