import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import type { GrantedRole } from './workspace-policy.js';

export type InvitationRow = Prisma.InvitationGetPayload<object>;

export interface NewInvitation {
  readonly tenantId: string;
  readonly workspaceId: string;
  readonly role: GrantedRole;
  readonly email: string | null;
  readonly codeHash: string;
  readonly invitedBy: string;
  readonly expiresAt: Date;
}

const KIND = 'workspace';

/** Invitations to workspaces as rows, in the caller's tenant transaction. */
@Injectable()
export class WorkspaceInvitationsRepository {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async create(tx: Tx, wanted: NewInvitation): Promise<InvitationRow> {
    const data = { id: this.ids.next('invitation'), kind: KIND, ...wanted, createdAt: this.clock.now() };
    return tx.invitation.create({ data });
  }

  async list(
    tx: Tx,
    tenantId: string,
    workspaceId: string,
    after: string | undefined,
    limit: number,
  ): Promise<InvitationRow[]> {
    const where = { tenantId, workspaceId, kind: KIND, ...(after ? { id: { lt: after } } : {}) };
    return tx.invitation.findMany({ where, orderBy: { id: 'desc' }, take: limit });
  }

  async countOpen(tx: Tx, tenantId: string, workspaceId: string): Promise<number> {
    return tx.invitation.count({ where: { tenantId, workspaceId, kind: KIND, ...this.#open() } });
  }

  /** Resolves with the invitation that was revoked; undefined when none was open. */
  async revoke(tx: Tx, tenantId: string, workspaceId: string, id: string): Promise<InvitationRow | undefined> {
    const where = { id, tenantId, workspaceId, kind: KIND, ...this.#open() };
    const rows = await tx.invitation.updateManyAndReturn({ where, data: { revokedAt: this.clock.now() } });
    return rows[0];
  }

  /** Every open invitation that somebody made for one of the roles. */
  async revokeOf(
    tx: Tx,
    tenantId: string,
    workspaceId: string,
    invitedBy: string,
    roles: readonly GrantedRole[],
  ): Promise<void> {
    const where = { tenantId, workspaceId, kind: KIND, invitedBy, role: { in: [...roles] }, ...this.#open() };
    await tx.invitation.updateMany({ where, data: { revokedAt: this.clock.now() } });
  }

  async findOpen(tx: Tx, tenantId: string, codeHash: string): Promise<InvitationRow | undefined> {
    return (await tx.invitation.findFirst({ where: { tenantId, codeHash, kind: KIND, ...this.#open() } })) ?? undefined;
  }

  /** One statement decides: of several who accept at once, one gets true. */
  async take(tx: Tx, tenantId: string, id: string, acceptedBy: string): Promise<boolean> {
    const where = { id, tenantId, kind: KIND, ...this.#open() };
    const taken = await tx.invitation.updateMany({ where, data: { acceptedAt: this.clock.now(), acceptedBy } });
    return taken.count === 1;
  }

  #open() {
    return { acceptedAt: null, revokedAt: null, expiresAt: { gt: this.clock.now() } };
  }
}
