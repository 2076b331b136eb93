import { Injectable } from '@nestjs/common';
import { Database, type Prisma } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Counters } from '#libs/queue';
import { currentRequest } from '../http/request-context.js';
import { LoginInvalid, TenantRequired, TooManyAttempts } from './identity.errors.js';
import { isStaffRole, type StaffRole } from './roles.js';
import { randomSecret, sha256 } from './secrets.js';
import { UsersService, type UserView } from './users.service.js';

export const SESSION_COOKIE = 'wirebot_admin';
export const SESSION_SECONDS = 12 * 3_600;
/** Attempts to sign in, right or wrong, per window. */
const LOGIN_LIMITS = { windowSeconds: 900, perEmail: 10, perAddress: 50 } as const;

export interface ConsoleSession {
  readonly id: string;
  readonly user: UserView & { readonly isOperator: boolean };
  readonly expiresAt: Date;
  /** When the user last proved who they are. */
  readonly provedAt: Date;
}

type SessionRow = Prisma.UserSessionGetPayload<{ include: { user: true } }>;

const toSession = ({ id, user, expiresAt, provedAt }: SessionRow): ConsoleSession => ({
  id,
  user: { id: user.id, email: user.email, isOperator: user.platformRole === 'operator' },
  expiresAt,
  provedAt,
});

/** Sessions of the admin console: an opaque cookie, of which only a hash is stored. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly counters: Counters,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Throws LoginInvalid (the same for an unknown address and a wrong password) or TooManyAttempts. */
  async open(email: string, password: string, address: string): Promise<ConsoleSession & { readonly cookie: string }> {
    // Without counters nobody signs in: guessing must never be free.
    await this.#count(`login:email:${sha256(email.trim().toLowerCase())}`, LOGIN_LIMITS.perEmail);
    await this.#count(`login:address:${address}`, LOGIN_LIMITS.perAddress);
    const user = await this.users.verify(email, password);
    if (!user) throw new LoginInvalid();
    return this.start(user.id, 'password');
  }

  /** A new session of somebody who has proved who they are. */
  async start(userId: string, method: string): Promise<ConsoleSession & { readonly cookie: string }> {
    const cookie = randomSecret();
    const now = this.clock.now();
    const expiresAt = new Date(now.getTime() + SESSION_SECONDS * 1_000);
    const { address, userAgent } = currentRequest()?.origin ?? { address: '', userAgent: '' };
    const data = { id: this.ids.next('userSession'), idHash: sha256(cookie), userId, method, address, userAgent };
    const row = await this.database.system(async (tx) => {
      await tx.userSession.deleteMany({ where: { expiresAt: { lte: now } } });
      const times = { createdAt: now, lastSeenAt: now, provedAt: now, expiresAt };
      return tx.userSession.create({ data: { ...data, ...times }, include: { user: true } });
    });
    return { ...toSession(row), cookie };
  }

  async find(cookie: string | undefined): Promise<ConsoleSession | undefined> {
    if (!cookie || !/^[\w-]{43}$/.test(cookie)) return undefined;
    const row = await this.database.system((tx) =>
      tx.userSession.findUnique({ where: { idHash: sha256(cookie) }, include: { user: true } }),
    );
    return row && row.expiresAt > this.clock.now() && row.user.disabledAt === null ? toSession(row) : undefined;
  }

  /** The tenants somebody works for. */
  async staffRoles(userId: string): Promise<{ readonly tenantId: string; readonly role: StaffRole }[]> {
    const rows = await this.database.system((tx) => tx.tenantStaff.findMany({ where: { userId } }));
    return rows.flatMap(({ tenantId, role }) => (isStaffRole(role) ? [{ tenantId, role }] : []));
  }

  /** Resolves with the id; throws TenantRequired when there is no such tenant. */
  async tenantExists(tenantId: string): Promise<string> {
    const count = await this.database.system((tx) => tx.tenant.count({ where: { id: tenantId } }));
    if (count === 0) throw new TenantRequired();
    return tenantId;
  }

  async close(cookie: string | undefined): Promise<void> {
    if (cookie) await this.database.system((tx) => tx.userSession.deleteMany({ where: { idHash: sha256(cookie) } }));
  }

  async #count(key: string, limit: number): Promise<void> {
    const result = await this.counters.consume(key, limit, LOGIN_LIMITS.windowSeconds);
    if (!result.allowed) throw new TooManyAttempts(result.resetSeconds);
  }
}
