import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { randomSecret, sha256 } from '../identity/secrets.js';
import { assertMay, roleIn, type WorkspaceCaller } from './workspace-caller.js';
import { WorkspaceEvents } from './workspace-events.js';
import { type InvitationRow, WorkspaceInvitationsRepository } from './workspace-invitations.repository.js';
import { MAX_MEMBERS } from './workspace-members.service.js';
import type { GrantedRole, WorkspaceRole } from './workspace-policy.js';
import {
  AlreadyInWorkspace,
  InvitationNotFound,
  MemberNotActiveHere,
  TooManyInvitations,
  WorkspaceFull,
} from './workspaces.errors.js';
import { WorkspacesRepository } from './workspaces.repository.js';

/** How long an invitation can be accepted, in days. */
const VALID_DAYS = 7;
/** Invitations that can be accepted at the same time, per workspace. */
export const MAX_OPEN_INVITATIONS = 50;

export interface InvitationView {
  readonly id: string;
  readonly workspaceId: string;
  readonly role: GrantedRole;
  readonly email: string | null;
  readonly status: 'open' | 'accepted' | 'revoked' | 'expired';
  readonly invitedBy: string;
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** `code` is told this once and never again. */
export interface NewInvitationView extends InvitationView {
  readonly code: string;
}

/** A workspace that somebody has joined. */
export interface JoinedView {
  readonly workspaceId: string;
  readonly memberId: string;
  readonly role: WorkspaceRole;
}

const statusOf = (row: InvitationRow, now: Date): InvitationView['status'] => {
  if (row.acceptedAt) return 'accepted';
  if (row.revokedAt) return 'revoked';
  return row.expiresAt > now ? 'open' : 'expired';
};

const toView = (row: InvitationRow, now: Date): InvitationView => ({
  id: row.id,
  workspaceId: row.workspaceId ?? '',
  role: row.role as GrantedRole,
  email: row.email,
  status: statusOf(row, now),
  invitedBy: row.invitedBy,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
});

/** Brings people into a workspace: a code that is shown once, works once, for a week, and only within the tenant. */
@Injectable()
export class WorkspaceInvitationsService {
  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesRepository,
    private readonly invitations: WorkspaceInvitationsRepository,
    private readonly events: WorkspaceEvents,
    private readonly clock: Clock,
  ) {}

  async invite(
    caller: WorkspaceCaller,
    workspaceId: string,
    role: GrantedRole,
    email: string | undefined,
  ): Promise<NewInvitationView> {
    const { tenantId, actor: invitedBy } = caller;
    const code = `wbi_${randomSecret()}`;
    const row = await this.database.tenant(tenantId, async (tx) => {
      await this.#assertMay(tx, caller, workspaceId, { do: 'invite', as: role });
      if ((await this.invitations.countOpen(tx, tenantId, workspaceId)) >= MAX_OPEN_INVITATIONS)
        throw new TooManyInvitations(MAX_OPEN_INVITATIONS);
      const expiresAt = new Date(this.clock.now().getTime() + VALID_DAYS * 86_400_000);
      const wanted = { tenantId, workspaceId, role, email: email?.trim() ?? null, codeHash: sha256(code), invitedBy };
      const made = await this.invitations.create(tx, { ...wanted, expiresAt });
      await this.events.record(tx, caller, workspaceId, 'invite', { invitation: made.id, role });
      return made;
    });
    await this.events.announce();
    return { ...toView(row, this.clock.now()), code };
  }

  async list(
    caller: WorkspaceCaller,
    workspaceId: string,
    after: string | undefined,
    limit: number,
  ): Promise<InvitationView[]> {
    const now = this.clock.now();
    return this.database.tenant(caller.tenantId, async (tx) => {
      await this.#assertMay(tx, caller, workspaceId, { do: 'list-invitations' });
      const rows = await this.invitations.list(tx, caller.tenantId, workspaceId, after, limit);
      return rows.map((row) => toView(row, now));
    });
  }

  async revoke(caller: WorkspaceCaller, workspaceId: string, id: string): Promise<void> {
    await this.database.tenant(caller.tenantId, async (tx) => {
      await this.#assertMay(tx, caller, workspaceId, { do: 'list-invitations' });
      const row = await this.invitations.revoke(tx, caller.tenantId, workspaceId, id);
      if (!row) throw new InvitationNotFound();
      await this.#assertMay(tx, caller, workspaceId, { do: 'invite', as: row.role as GrantedRole });
      await this.events.record(tx, caller, workspaceId, 'revoke-invitation', { invitation: id });
    });
    await this.events.announce();
  }

  /** On a member's behalf, by the tenant. */
  async acceptFor(caller: WorkspaceCaller, externalId: string, code: string): Promise<JoinedView> {
    const { tenantId } = caller;
    return this.#accept(caller, code, (tx) =>
      tx.member.findUnique({ where: { tenantId_externalId: { tenantId, externalId } } }),
    );
  }

  /** By a member. */
  async accept(caller: WorkspaceCaller, memberId: string, code: string): Promise<JoinedView> {
    const { tenantId } = caller;
    return this.#accept(caller, code, (tx) => tx.member.findFirst({ where: { tenantId, id: memberId } }));
  }

  async #accept(caller: WorkspaceCaller, code: string, find: (tx: Tx) => Promise<Invitee | null>): Promise<JoinedView> {
    const joined = await this.database.tenant(caller.tenantId, async (tx) => {
      const invitation = await this.invitations.findOpen(tx, caller.tenantId, sha256(code));
      const member = await find(tx);
      if (!invitation?.workspaceId || !member || !isFor(invitation, member)) throw new InvitationNotFound();
      if (member.status !== 'active') throw new MemberNotActiveHere();
      return this.#join(tx, caller, { ...invitation, workspaceId: invitation.workspaceId }, member.id);
    });
    await this.events.announce();
    return joined;
  }

  async #join(
    tx: Tx,
    caller: WorkspaceCaller,
    invitation: InvitationRow & { readonly workspaceId: string },
    memberId: string,
  ): Promise<JoinedView> {
    const { tenantId } = caller;
    const { id, workspaceId } = invitation;
    const role = invitation.role as GrantedRole;
    await this.workspaces.lock(tx, tenantId, workspaceId);
    const roles = await this.workspaces.roles(tx, tenantId, workspaceId);
    const before = roleIn(roles, memberId);
    if (before) throw new AlreadyInWorkspace(before);
    if (roles.length >= MAX_MEMBERS) throw new WorkspaceFull(MAX_MEMBERS);
    if (!(await this.invitations.take(tx, tenantId, id, memberId))) throw new InvitationNotFound();
    await this.workspaces.setRole(tx, tenantId, workspaceId, memberId, role);
    await this.events.record(tx, caller, workspaceId, 'join', { memberId, role, invitation: id });
    return { workspaceId, memberId, role };
  }

  async #assertMay(
    tx: Tx,
    caller: WorkspaceCaller,
    workspaceId: string,
    action: Parameters<typeof assertMay>[2],
  ): Promise<void> {
    await this.workspaces.lock(tx, caller.tenantId, workspaceId);
    assertMay(caller, await this.workspaces.roles(tx, caller.tenantId, workspaceId), action);
  }
}

interface Invitee {
  readonly id: string;
  readonly email: string;
  readonly status: string;
}

/** An invitation to an address is for who has that address; one without is for who has the code. */
const isFor = (invitation: InvitationRow, member: Invitee): boolean =>
  invitation.email === null || invitation.email.toLowerCase() === member.email.toLowerCase();
