import { DomainError } from '#libs/kernel';

export class WorkspaceNotFound extends DomainError {
  readonly code = 'workspace-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such workspace here, or it is none of yours. List the workspaces to see the ones there are.');
  }
}

export class WorkspaceMemberNotFound extends DomainError {
  readonly code = 'workspace-member-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('Nobody with that id is in this workspace. List its members to see who is.');
  }
}

export class WorkspaceRoleForbids extends DomainError {
  readonly code = 'workspace-role-forbids';
  readonly kind = 'forbidden';
  constructor(role: string) {
    super(`Your role in this workspace, ${role}, does not allow this. Ask its owner.`);
  }
}

export class OwnerStays extends DomainError {
  readonly code = 'workspace-owner-stays';
  readonly kind = 'conflict';
  constructor() {
    super('A workspace always has an owner. Hand it over first: give somebody else in it the role owner.');
  }
}

export class InvitationNotFound extends DomainError {
  readonly code = 'invitation-not-found';
  readonly kind = 'not-found';
  constructor() {
    super(
      'There is no such invitation that is still open: it was used, revoked or has expired, or is for somebody else.',
    );
  }
}

export class AlreadyInWorkspace extends DomainError {
  readonly code = 'already-in-workspace';
  readonly kind = 'conflict';
  constructor(role: string) {
    super(`This member is in the workspace already, as ${role}. Change the role there instead.`);
  }
}

export class WorkspaceFull extends DomainError {
  readonly code = 'workspace-full';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`A workspace has at most ${limit} members. Remove somebody first.`);
  }
}

export class TooManyInvitations extends DomainError {
  readonly code = 'too-many-invitations';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`There are ${limit} open invitations to this workspace already. Revoke those that nobody will use.`);
  }
}

export class MemberNotActiveHere extends DomainError {
  readonly code = 'member-not-active';
  readonly kind = 'conflict';
  constructor() {
    super('This member is paused, cancelled or erased and cannot join a workspace now. Resume the member first.');
  }
}
