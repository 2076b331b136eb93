import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { decodeCursor, type Page, type PageQuery, toPage } from '../../http/cursor.js';
import { assertIfMatch, etagOf } from '../../http/etag.js';
import { actorOf, type Principal } from '../principal.js';
import { ROLE_SCOPES, STAFF_ROLES, type StaffRole } from '../roles.js';
import { covers } from '../scopes.js';
import { SessionsService } from '../sessions.service.js';
import { type InvitationView, InvitedUsers, type NewPerson } from './invited-users.js';
import { LastOwner, OwnRole, RoleTooHigh, StaffExists, StaffNotFound } from './staff.errors.js';
import { StaffRepository, type StaffRow } from './staff.repository.js';

export interface StaffView {
  readonly userId: string;
  readonly email: string;
  readonly name: string | null;
  readonly role: string;
  /** invited: has not signed in yet. */
  readonly status: 'active' | 'invited' | 'disabled';
  readonly createdAt: string;
}

export const staffEtag = ({ userId, role }: StaffView): string => etagOf('staff', userId, role);

const viewOf = ({ userId, role, createdAt, user }: StaffRow): StaffView => {
  const invited = user.passwordHash === null && user.emailVerifiedAt === null;
  const status = user.disabledAt !== null ? 'disabled' : invited ? 'invited' : 'active';
  return { userId, email: user.email, name: user.name, role, status, createdAt: createdAt.toISOString() };
};

const rank = (role: string): number => (STAFF_ROLES as readonly string[]).indexOf(role);
const userOf = (principal: Principal): string | undefined => ('userId' in principal ? principal.userId : undefined);

/** Who works for a tenant. At least one owner who can sign in stays, however many calls come at once. */
@Injectable()
export class StaffService {
  constructor(
    private readonly database: Database,
    private readonly staff: StaffRepository,
    private readonly invited: InvitedUsers,
    private readonly sessions: SessionsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async list(tenantId: string, { cursor, limit }: PageQuery): Promise<Page<StaffView>> {
    const after = decodeCursor(cursor, 1)?.[0];
    const rows = await this.database.system((tx) => this.staff.list(tx, tenantId, after, limit + 1));
    return toPage(rows, limit, viewOf, (row) => [row.userId]);
  }

  /** Throws StaffExists, OwnRole, RoleTooHigh or MailNotConfigured. */
  async add(
    tenantId: string,
    principal: Principal,
    input: NewPerson & { readonly role: StaffRole },
  ): Promise<{ readonly staff: StaffView; readonly invitation: InvitationView | null }> {
    assertMayGive(principal, input.role);
    const select = { name: true } as const;
    const tenant = await this.database.system((tx) => tx.tenant.findUnique({ where: { id: tenantId }, select }));
    const link = await this.invited.prepare(principal, input, tenantId, tenant?.name ?? 'Wirebot');
    const { row, made } = await this.database.system(async (tx) => {
      await this.staff.lock(tx, tenantId);
      const { id, made } = await this.invited.ensure(tx, input, link);
      if (id === userOf(principal)) throw new OwnRole();
      if (!(await this.staff.add(tx, tenantId, id, input.role, this.clock.now()))) throw new StaffExists();
      const row = (await this.staff.find(tx, tenantId, id))!;
      await this.#record(tx, tenantId, principal, 'staff.add', id, { role: input.role, newUser: made });
      return { row, made };
    });
    return { staff: viewOf(row), invitation: await this.invited.announce(link, made) };
  }

  /** Throws StaffNotFound, AlreadyJoined, MailNotConfigured or TooManyAttempts. */
  async inviteAgain(tenantId: string, principal: Principal, userId: string): Promise<InvitationView | null> {
    const row = await this.database.system((tx) => this.staff.find(tx, tenantId, userId));
    if (!row) throw new StaffNotFound();
    const link = await this.invited.again(principal, { ...row.user, id: userId }, tenantId, row.tenant.name);
    await this.database.system(async (tx) => {
      await this.invited.resend(tx, userId, link);
      await this.#record(tx, tenantId, principal, 'staff.invite', userId, {});
    });
    return this.invited.announce(link, true);
  }

  /** Throws StaffNotFound, OwnRole, RoleTooHigh, LastOwner or PreconditionFailed. */
  async setRole(
    tenantId: string,
    principal: Principal,
    userId: string,
    role: StaffRole,
    ifMatch: string | undefined,
  ): Promise<StaffView> {
    assertMayGive(principal, role);
    return this.database.system(async (tx) => {
      const row = await this.#locked(tx, tenantId, userId);
      assertIfMatch(ifMatch, staffEtag(viewOf(row)));
      if (row.role === role) return viewOf(row);
      const raised = rank(role) < rank(row.role);
      if (raised && userId === userOf(principal)) throw new OwnRole();
      assertMayGive(principal, row.role as StaffRole);
      if (row.role === 'owner') await this.#assertOwnersLeft(tx, tenantId, userId);
      await this.staff.setRole(tx, tenantId, userId, role);
      if (!raised) await this.#signOut(tx, tenantId, userId);
      await this.#record(tx, tenantId, principal, 'staff.update', userId, { from: row.role, to: role });
      return viewOf({ ...row, role });
    });
  }

  /** The account itself stays: it may work for others. Throws StaffNotFound, RoleTooHigh or LastOwner. */
  async remove(tenantId: string, principal: Principal, userId: string): Promise<void> {
    await this.database.system(async (tx) => {
      const row = await this.#locked(tx, tenantId, userId);
      assertMayGive(principal, row.role as StaffRole);
      if (row.role === 'owner') await this.#assertOwnersLeft(tx, tenantId, userId);
      await this.staff.remove(tx, tenantId, userId);
      await this.#signOut(tx, tenantId, userId);
      await this.#record(tx, tenantId, principal, 'staff.remove', userId, { role: row.role });
    });
  }

  async #locked(tx: Tx, tenantId: string, userId: string): Promise<StaffRow> {
    await this.staff.lock(tx, tenantId);
    const row = await this.staff.find(tx, tenantId, userId);
    if (!row) throw new StaffNotFound();
    return row;
  }

  /**
   * Only whose sessions are for this tenant alone: an owner can add anybody, and must not end what people do elsewhere. What
   * somebody may is asked for with every call, so a session that goes on may no more than the new role.
   */
  async #signOut(tx: Tx, tenantId: string, userId: string): Promise<void> {
    if (await this.staff.worksHereAlone(tx, tenantId, userId)) await this.sessions.endAll(tx, userId);
  }

  async #assertOwnersLeft(tx: Tx, tenantId: string, without: string): Promise<void> {
    if ((await this.staff.ownersBeside(tx, tenantId, without)) === 0) throw new LastOwner();
  }

  async #record(
    tx: Tx,
    tenantId: string,
    principal: Principal,
    action: string,
    resourceId: string,
    data: Prisma.InputJsonObject,
  ): Promise<void> {
    await this.audit.record(tx, { tenantId, actor: actorOf(principal), action, resource: 'staff', resourceId, data });
  }
}

/** A key that may write staff and little else must not make somebody who may do everything. */
function assertMayGive(principal: Principal, role: StaffRole): void {
  const held = 'scopes' in principal ? principal.scopes : [];
  if (!ROLE_SCOPES[role].every((scope) => covers(held, scope))) throw new RoleTooHigh();
}
