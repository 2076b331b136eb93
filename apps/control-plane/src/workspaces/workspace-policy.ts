/** Roles in a workspace, highest first. */
export const WORKSPACE_ROLES = ['owner', 'admin', 'member', 'guest'] as const;
export type WorkspaceRole = (typeof WORKSPACE_ROLES)[number];

/** Roles that can be given; an owner is made by handing the workspace over. */
export const GRANTED_ROLES = ['admin', 'member', 'guest'] as const;
export type GrantedRole = (typeof GRANTED_ROLES)[number];

/** What somebody wants to do in a workspace. */
export type WorkspaceAction =
  | { readonly do: 'read' | 'list-members' | 'list-invitations' | 'change' | 'leave' }
  | { readonly do: 'invite'; readonly as: GrantedRole }
  | { readonly do: 'set-role'; readonly from: GrantedRole; readonly to: GrantedRole }
  | { readonly do: 'remove'; readonly role: GrantedRole }
  /** The owner becomes an admin, the other the owner. */
  | { readonly do: 'hand-over' };

interface Powers {
  readonly reads: boolean;
  readonly seesMembers: boolean;
  readonly changes: boolean;
  readonly leaves: boolean;
  readonly handsOver: boolean;
  /** Roles this one gives, takes and removes. Never its own rank or above: nobody makes or unmakes a peer. */
  readonly governs: readonly GrantedRole[];
}

const POWERS: Record<WorkspaceRole, Powers> = {
  owner: { reads: true, seesMembers: true, changes: true, leaves: false, handsOver: true, governs: GRANTED_ROLES },
  admin: {
    reads: true,
    seesMembers: true,
    changes: true,
    leaves: true,
    handsOver: false,
    governs: ['member', 'guest'],
  },
  member: { reads: true, seesMembers: true, changes: false, leaves: true, handsOver: false, governs: [] },
  guest: { reads: true, seesMembers: false, changes: false, leaves: true, handsOver: false, governs: [] },
};

/** The rules of a workspace, as a table of who may what. The tenant itself may what the owner may. */
export function mayIn(role: WorkspaceRole, action: WorkspaceAction): boolean {
  const powers = POWERS[role];
  switch (action.do) {
    case 'read':
      return powers.reads;
    case 'list-members':
      return powers.seesMembers;
    case 'list-invitations':
      return powers.governs.length > 0;
    case 'change':
      return powers.changes;
    case 'leave':
      return powers.leaves;
    case 'hand-over':
      return powers.handsOver;
    case 'invite':
      return powers.governs.includes(action.as);
    case 'set-role':
      return powers.governs.includes(action.from) && powers.governs.includes(action.to);
    case 'remove':
      return powers.governs.includes(action.role);
  }
}

export const isWorkspaceRole = (role: string): role is WorkspaceRole =>
  (WORKSPACE_ROLES as readonly string[]).includes(role);
