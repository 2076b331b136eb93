import { Injectable } from '@nestjs/common';
import type { TrustMode } from '#libs/contracts';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { randomSecret, sha256 } from '../identity/secrets.js';
import type { TrustCaller } from './trust-caps.js';
import { TrustInvitationClosed, TrustInvitationNotFound, TrustInvitationNotOffered } from './trust.errors.js';
import { TrustMembersRepository } from './trust-members.repository.js';

export const INVITATION_DAYS = { default: 14, max: 90 } as const;
const DAY = 86_400_000;

export type InvitationState = 'open' | 'accepted' | 'revoked' | 'expired';
export type InvitationRow = Prisma.InvitationGetPayload<object>;

export interface TrustInvitationView {
  readonly id: string;
  readonly member: string;
  readonly mode: number;
  readonly state: InvitationState;
  readonly invitedBy: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly acceptedAt: string | null;
}

export interface NewTrustInvitation {
  readonly mode: TrustMode;
  readonly expiresInDays?: number;
}

export interface InvitationFilter {
  readonly member?: string | undefined;
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Invitations to a higher trust mode. The code is shown once; only its hash is kept. */
@Injectable()
export class TrustInvitationsService {
  constructor(
    private readonly database: Database,
    private readonly members: TrustMembersRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    private readonly ids: Ids,
  ) {}

  /** A newer invitation takes the place of an open one. Throws MemberNotFound or TrustInvitationNotOffered. */
  async create(
    caller: TrustCaller,
    externalId: string,
    wanted: NewTrustInvitation,
  ): Promise<TrustInvitationView & { readonly code: string }> {
    const code = `wbi_${randomSecret()}`;
    const now = this.clock.now();
    const { tenantId, actor } = caller;
    const row = await this.database.tenant(tenantId, async (tx) => {
      const member = await this.members.lockByExternalId(tx, tenantId, externalId);
      await this.#assertOffered(tx, tenantId, member.tierKey, wanted.mode);
      await this.#revokeOpen(tx, tenantId, member.id, now);
      const expiresAt = new Date(now.getTime() + (wanted.expiresInDays ?? INVITATION_DAYS.default) * DAY);
      const created = await tx.invitation.create({
        data: {
          id: this.ids.next('invitation'),
          tenantId,
          kind: 'trust',
          codeHash: sha256(code),
          memberId: member.id,
          mode: wanted.mode,
          invitedBy: actor,
          createdAt: now,
          expiresAt,
        },
      });
      const data = { invitation: created.id, mode: wanted.mode, expiresAt: expiresAt.toISOString() };
      await this.#audit(tx, caller, 'trust.invite', member.id, data);
      return created;
    });
    return { ...toInvitationView(row, externalId, now), code };
  }

  /** Newest first. Throws MemberNotFound for a filter that names nobody. */
  async list(tenantId: string, filter: InvitationFilter): Promise<{ id: string; view: TrustInvitationView }[]> {
    const now = this.clock.now();
    return this.database.tenant(tenantId, async (tx) => {
      const one = filter.member === undefined ? undefined : await this.members.find(tx, tenantId, filter.member);
      const rows = await tx.invitation.findMany({
        where: {
          tenantId,
          kind: 'trust',
          ...(one ? { memberId: one.id } : {}),
          ...(filter.before ? { id: { lt: filter.before } } : {}),
        },
        orderBy: { id: 'desc' },
        take: filter.limit,
      });
      const ids = rows.flatMap((row) => row.memberId ?? []);
      const named = await tx.member.findMany({
        where: { tenantId, id: { in: ids } },
        select: { id: true, externalId: true },
      });
      const names = new Map(named.map((member) => [member.id, member.externalId]));
      return rows.map((row) => ({ id: row.id, view: toInvitationView(row, names.get(row.memberId ?? '') ?? '', now) }));
    });
  }

  /** Throws TrustInvitationNotFound or TrustInvitationClosed. */
  async revoke(caller: TrustCaller, id: string): Promise<void> {
    const { tenantId } = caller;
    const now = this.clock.now();
    await this.database.tenant(tenantId, async (tx) => {
      const row = await tx.invitation.findFirst({ where: { id, tenantId, kind: 'trust' } });
      if (!row?.memberId) throw new TrustInvitationNotFound();
      // The update decides: of a revocation and an acceptance at once exactly one finds it open.
      const open = { id, tenantId, acceptedAt: null, revokedAt: null };
      const { count } = await tx.invitation.updateMany({ where: open, data: { revokedAt: now } });
      if (count === 0) throw new TrustInvitationClosed(row.acceptedAt ? 'accepted' : stateOf(row, now));
      await this.#audit(tx, caller, 'trust.revoke-invitation', row.memberId, { invitation: id });
    });
  }

  async #assertOffered(tx: Tx, tenantId: string, tierKey: string, mode: TrustMode): Promise<void> {
    const offered = (await this.members.tier(tx, tenantId, tierKey))?.invitedTrustCeiling ?? null;
    if (offered === null || offered < mode) throw new TrustInvitationNotOffered(offered);
  }

  async #revokeOpen(tx: Tx, tenantId: string, memberId: string, now: Date): Promise<void> {
    const where = { tenantId, kind: 'trust', memberId, acceptedAt: null, revokedAt: null };
    await tx.invitation.updateMany({ where, data: { revokedAt: now } });
  }

  async #audit(
    tx: Tx,
    { tenantId, actor }: TrustCaller,
    action: string,
    memberId: string,
    data: Prisma.InputJsonObject,
  ): Promise<void> {
    await this.audit.record(tx, { tenantId, actor, action, resource: 'member', resourceId: memberId, data });
  }
}

function stateOf(row: InvitationRow, now: Date): InvitationState {
  if (row.acceptedAt) return 'accepted';
  if (row.revokedAt) return 'revoked';
  return row.expiresAt <= now ? 'expired' : 'open';
}

const toInvitationView = (row: InvitationRow, member: string, now: Date): TrustInvitationView => ({
  id: row.id,
  member,
  mode: row.mode ?? 0,
  state: stateOf(row, now),
  invitedBy: row.invitedBy,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
  acceptedAt: row.acceptedAt?.toISOString() ?? null,
});
