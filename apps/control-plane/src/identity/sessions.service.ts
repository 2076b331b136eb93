import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { currentRequest } from '../http/request-context.js';
import { TenantRequired } from './identity.errors.js';
import { isStaffRole, type StaffRole } from './roles.js';
import { randomSecret, sha256 } from './secrets.js';
import { AccountDisabled } from './sign-in/sign-in.errors.js';
import type { UserView } from './users.service.js';

/** A session ends then, whatever happens. */
export const SESSION_SECONDS = 12 * 3_600;
/** A session that nobody uses ends earlier. */
export const SESSION_IDLE_SECONDS = 2 * 3_600;
/** `last_seen_at` is written at most this often per session. */
const TOUCH_EVERY_MS = 60_000;

export type SessionUser = UserView & { readonly name: string | null; readonly isOperator: boolean };

export interface ConsoleSession {
  readonly id: string;
  readonly user: SessionUser;
  readonly expiresAt: Date;
  /** When the user last proved who they are. */
  readonly provedAt: Date;
  /** password | magic-link | oidc:<provider> | passkey, plus `+totp` or `+recovery-code` */
  readonly method: string;
  /** Opened with two factors: a code beside the first one, or a passkey. */
  readonly secondFactor: boolean;
}

export type StartedSession = ConsoleSession & { readonly cookie: string };

export interface StartOptions {
  /** The cookie that the browser had. */
  readonly before?: string | undefined;
  /** Throws when what was proved is no longer so. */
  readonly still?: ((user: { readonly passwordHash: string | null }) => void) | undefined;
}

type SessionRow = Prisma.UserSessionGetPayload<{ include: { user: true } }>;

const toSession = ({ id, user, expiresAt, provedAt, method }: SessionRow): ConsoleSession => ({
  id,
  user: { id: user.id, email: user.email, name: user.name, isOperator: user.platformRole === 'operator' },
  expiresAt,
  provedAt,
  method,
  secondFactor: method === 'passkey' || method.includes('+'),
});

/** A role at a tenant, and whether the tenant is open. */
export interface StaffPlace {
  readonly tenantId: string;
  readonly role: StaffRole;
  readonly tenant: { readonly status: string; readonly suspendedReason: string | null };
}

/** Sessions of the consoles: an opaque cookie, of which only a hash is stored. To end a session is to delete its row. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /**
   * A new session of somebody who has proved who they are; the one that the browser had before ends. `still` looks once more
   * at the user under a lock: a password that is changed while it is checked opens nothing. Throws AccountDisabled.
   */
  async start(userId: string, method: string, options: StartOptions = {}): Promise<StartedSession> {
    const cookie = randomSecret();
    const now = this.clock.now();
    const expiresAt = new Date(now.getTime() + SESSION_SECONDS * 1_000);
    const { address, userAgent } = currentRequest()?.origin ?? { address: '', userAgent: '' };
    const data = { id: this.ids.next('userSession'), idHash: sha256(cookie), userId, method, address, userAgent };
    const times = { createdAt: now, lastSeenAt: now, provedAt: now, expiresAt };
    const row = await this.database.system(async (tx) => {
      await tx.$queryRaw`SELECT id FROM users WHERE id = ${userId} FOR SHARE`;
      const before = options.before === undefined ? undefined : sha256(options.before);
      if (before) await tx.userSession.deleteMany({ where: { idHash: before } });
      const made = await tx.userSession.create({ data: { ...data, ...times }, include: { user: true } });
      if (made.user.disabledAt !== null) throw new AccountDisabled();
      options.still?.(made.user);
      await this.#record(tx, userId, 'session.start', made.id, { method });
      return made;
    });
    return { ...toSession(row), cookie };
  }

  /** `passive`: a look that is no use of the session, such as the event socket's own. */
  async find(
    cookie: string | undefined,
    options: { readonly passive?: boolean } = {},
  ): Promise<ConsoleSession | undefined> {
    if (!cookie || !/^[\w-]{43}$/.test(cookie)) return undefined;
    const row = await this.database.system((tx) =>
      tx.userSession.findUnique({ where: { idHash: sha256(cookie) }, include: { user: true } }),
    );
    if (!row || row.user.disabledAt !== null || !this.#isAlive(row)) return undefined;
    if (options.passive !== true) await this.#touch(row);
    return toSession(row);
  }

  /** Of these sessions those that are still good; for sockets that were opened with them. */
  async alive(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.system((tx) =>
      tx.userSession.findMany({ where: { id: { in: [...ids] }, user: { disabledAt: null } } }),
    );
    return new Set(rows.filter((row) => this.#isAlive(row)).map((row) => row.id));
  }

  /** The tenants somebody works for. */
  async staffRoles(userId: string): Promise<StaffPlace[]> {
    const include = { tenant: { select: { status: true, suspendedReason: true } } };
    const where = { userId, tenant: { status: { in: ['active', 'suspended', 'closed'] } } };
    const rows = await this.database.system((tx) => tx.tenantStaff.findMany({ where, include }));
    return rows.flatMap(({ tenantId, role, tenant }) => (isStaffRole(role) ? [{ tenantId, role, tenant }] : []));
  }

  /** Resolves with the id; throws TenantRequired when there is no such tenant. */
  async tenantExists(tenantId: string): Promise<string> {
    const count = await this.database.system((tx) => tx.tenant.count({ where: { id: tenantId } }));
    if (count === 0) throw new TenantRequired();
    return tenantId;
  }

  /** Signing out. */
  async close(userId: string, sessionId: string): Promise<void> {
    await this.database.system(async (tx) => {
      const { count } = await tx.userSession.deleteMany({ where: { id: sessionId, userId } });
      if (count > 0) await this.#record(tx, userId, 'session.end', sessionId, {});
    });
  }

  /** In the transaction of what ends them. Resolves with how many there were. */
  async endAll(tx: Tx, userId: string, except?: string): Promise<number> {
    const where = { userId, ...(except === undefined ? {} : { id: { not: except } }) };
    return (await tx.userSession.deleteMany({ where })).count;
  }

  /** The session has proved a second factor: another cookie, and what its method says. Resolves with the cookie. */
  async raise(tx: Tx, sessionId: string, factor: string): Promise<string> {
    const cookie = randomSecret();
    await tx.$executeRaw`
      UPDATE user_sessions SET id_hash = ${sha256(cookie)}, proved_at = ${this.clock.now()},
        method = split_part(method, '+', 1) || '+' || ${factor}
      WHERE id = ${sessionId}`;
    return cookie;
  }

  /** The user's second factor is gone: no session counts as opened with it. */
  async lower(tx: Tx, userId: string): Promise<void> {
    await tx.$executeRaw`UPDATE user_sessions SET method = split_part(method, '+', 1) WHERE user_id = ${userId}`;
  }

  #isAlive({ expiresAt, lastSeenAt }: { readonly expiresAt: Date; readonly lastSeenAt: Date }): boolean {
    const now = this.clock.now().getTime();
    return expiresAt.getTime() > now && lastSeenAt.getTime() + SESSION_IDLE_SECONDS * 1_000 > now;
  }

  async #touch({ id, lastSeenAt }: SessionRow): Promise<void> {
    const now = this.clock.now();
    if (now.getTime() - lastSeenAt.getTime() < TOUCH_EVERY_MS) return;
    await this.database.system((tx) => tx.userSession.updateMany({ where: { id }, data: { lastSeenAt: now } }));
  }

  async #record(tx: Tx, userId: string, action: string, resourceId: string, data: Prisma.InputJsonObject) {
    const line = { tenantId: null, actor: `user:${userId}`, resource: 'session', resourceId, action, data };
    await this.audit.record(tx, line);
  }
}
