import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { decodeCursor, type Page, type PageQuery, toPage } from '../../http/cursor.js';
import { assertIfMatch, etagOf } from '../../http/etag.js';
import { actorOf, type Principal } from '../principal.js';
import { SessionsService } from '../sessions.service.js';
import type { ChangeUserDto } from './dto/staff.dto.js';
import { type InvitationView, InvitedUsers, type NewPerson } from './invited-users.js';
import { LastOperator, RoleTooHigh, UserExists, UserNotFound } from './staff.errors.js';

const INCLUDE = {
  totp: { select: { confirmedAt: true } },
  staff: { select: { tenantId: true, role: true } },
  _count: { select: { passkeys: true } },
} as const;
type UserRow = Prisma.UserGetPayload<{ include: typeof INCLUDE }>;

export interface AdminUserView {
  readonly id: string;
  readonly email: string;
  readonly name: string | null;
  readonly platformRole: 'operator' | null;
  readonly disabledAt: string | null;
  readonly emailVerified: boolean;
  readonly hasPassword: boolean;
  /** An authenticator app or a passkey. */
  readonly hasSecondFactor: boolean;
  readonly staffOf: readonly { readonly tenantId: string; readonly role: string }[];
  readonly createdAt: string;
}

const viewOf = (row: UserRow): AdminUserView => ({
  id: row.id,
  email: row.email,
  name: row.name,
  platformRole: row.platformRole === 'operator' ? 'operator' : null,
  disabledAt: row.disabledAt?.toISOString() ?? null,
  emailVerified: row.emailVerifiedAt !== null,
  hasPassword: row.passwordHash !== null,
  hasSecondFactor: Boolean(row.totp?.confirmedAt) || row._count.passkeys > 0,
  staffOf: row.staff.map(({ tenantId, role }) => ({ tenantId, role })),
  createdAt: row.createdAt.toISOString(),
});

export const userEtag = ({ id, name, platformRole, disabledAt }: AdminUserView): string =>
  etagOf('user', id, name ?? '', platformRole ?? '', disabledAt ?? '');

/** Everybody who can sign in, for operators. At least one operator who can sign in stays. */
@Injectable()
export class AdminUsersService {
  constructor(
    private readonly database: Database,
    private readonly invited: InvitedUsers,
    private readonly sessions: SessionsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async list({ cursor, limit }: PageQuery): Promise<Page<AdminUserView>> {
    const before = decodeCursor(cursor, 1)?.[0];
    const where = before === undefined ? {} : { id: { lt: before } };
    const rows = await this.database.system((tx) =>
      tx.user.findMany({ where, include: INCLUDE, orderBy: { id: 'desc' }, take: limit + 1 }),
    );
    return toPage(rows, limit, viewOf, (row) => [row.id]);
  }

  /** Throws UserNotFound. */
  async get(id: string): Promise<AdminUserView> {
    return viewOf(await this.database.system((tx) => this.#get(tx, id)));
  }

  /** Throws UserExists or RoleTooHigh. */
  async create(
    principal: Principal,
    input: NewPerson & { readonly platformRole?: 'operator' | null | undefined },
  ): Promise<{ readonly user: AdminUserView; readonly invitation: InvitationView | null }> {
    assertMayGive(principal, input.platformRole);
    const link = await this.invited.prepare(principal, input, null, 'Wirebot');
    if (!link) throw new UserExists();
    const platformRole = input.platformRole ?? null;
    const user = await this.database.system(async (tx) => {
      const { id, made } = await this.invited.ensure(tx, input, link);
      if (!made) throw new UserExists();
      await tx.user.update({ where: { id }, data: { platformRole }, select: { id: true } });
      const row = await this.#get(tx, id);
      await this.#record(tx, principal, 'user.create', id, { platformRole });
      return viewOf(row);
    });
    return { user, invitation: await this.invited.announce(link, true) };
  }

  /** Throws UserNotFound, AlreadyJoined or TooManyAttempts. */
  async inviteAgain(principal: Principal, id: string): Promise<InvitationView | null> {
    const user = await this.database.system((tx) => this.#get(tx, id));
    const link = await this.invited.again(principal, user, null, 'Wirebot');
    await this.database.system(async (tx) => {
      await this.invited.resend(tx, id, link);
      await this.#record(tx, principal, 'user.invite', id, {});
    });
    return this.invited.announce(link, true);
  }

  /**
   * A user who is disabled or no operator any more is signed out. Throws UserNotFound, RoleTooHigh, LastOperator or
   * PreconditionFailed.
   */
  async update(
    principal: Principal,
    id: string,
    change: ChangeUserDto,
    ifMatch: string | undefined,
  ): Promise<AdminUserView> {
    assertMayGive(principal, change.platformRole);
    return this.database.system(async (tx) => {
      // Whoever would leave no operator waits for whoever does the same.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('wirebot/operators'))`;
      const before = await this.#get(tx, id);
      assertMayGive(principal, before.platformRole);
      assertIfMatch(ifMatch, userEtag(viewOf(before)));
      const data = this.#dataOf(before, change);
      const after = { ...before, ...data };
      const lost = isOperator(before) && !isOperator(after);
      if (lost && (await this.#operatorsBeside(tx, id)) === 0) throw new LastOperator();
      await tx.user.update({ where: { id }, data, select: { id: true } });
      if (lost || after.disabledAt !== null) await this.#signOut(tx, id);
      const told = { nameChanged: after.name !== before.name, disabled: after.disabledAt !== null };
      const roles = { from: before.platformRole, to: after.platformRole };
      await this.#record(tx, principal, 'user.update', id, { ...told, platformRole: roles });
      return viewOf(after);
    });
  }

  #dataOf(before: UserRow, { name, disabled, platformRole }: ChangeUserDto) {
    return {
      ...(name === undefined ? {} : { name }),
      ...(platformRole === undefined ? {} : { platformRole }),
      ...(disabled === undefined ? {} : { disabledAt: disabled ? (before.disabledAt ?? this.clock.now()) : null }),
    };
  }

  async #get(tx: Tx, id: string): Promise<UserRow> {
    const row = await tx.user.findUnique({ where: { id }, include: INCLUDE });
    if (!row) throw new UserNotFound();
    return row;
  }

  async #operatorsBeside(tx: Tx, id: string): Promise<number> {
    return tx.user.count({ where: { id: { not: id }, platformRole: 'operator', disabledAt: null } });
  }

  async #signOut(tx: Tx, id: string): Promise<void> {
    await this.sessions.endAll(tx, id);
    await tx.signInAttempt.deleteMany({ where: { userId: id } });
  }

  async #record(tx: Tx, principal: Principal, action: string, resourceId: string, data: Prisma.InputJsonObject) {
    const line = { tenantId: null, actor: actorOf(principal), action, resource: 'user', resourceId, data };
    await this.audit.record(tx, line);
  }
}

const isOperator = (user: { readonly platformRole: string | null; readonly disabledAt: Date | null }): boolean =>
  user.platformRole === 'operator' && user.disabledAt === null;

/** A key that may write users and little else neither makes nor changes somebody who may do everything. */
function assertMayGive(principal: Principal, role: string | null | undefined): void {
  if (role === 'operator' && !('scopes' in principal && principal.scopes.includes('*'))) throw new RoleTooHigh();
}
