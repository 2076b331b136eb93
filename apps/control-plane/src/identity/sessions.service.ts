import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Counters } from '#libs/queue';
import { LoginInvalid, TooManyAttempts } from './identity.errors.js';
import { randomSecret, sha256 } from './secrets.js';
import { UsersService, type UserView } from './users.service.js';

export const SESSION_COOKIE = 'wirebot_admin';
export const SESSION_SECONDS = 12 * 3_600;
/** Attempts to sign in, right or wrong, per window. */
const LOGIN_LIMITS = { windowSeconds: 900, perEmail: 10, perAddress: 50 } as const;

export interface AdminSession {
  readonly user: UserView;
  readonly expiresAt: Date;
}

/** Sessions of the admin console: an opaque cookie, of which only a hash is stored. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly counters: Counters,
    private readonly clock: Clock,
  ) {}

  /** Throws LoginInvalid (the same for an unknown address and a wrong password) or TooManyAttempts. */
  async open(email: string, password: string, address: string): Promise<AdminSession & { readonly cookie: string }> {
    // Without counters nobody signs in: guessing must never be free.
    await this.#count(`login:email:${sha256(email.trim().toLowerCase())}`, LOGIN_LIMITS.perEmail);
    await this.#count(`login:address:${address}`, LOGIN_LIMITS.perAddress);
    const user = await this.users.verify(email, password);
    if (!user) throw new LoginInvalid();
    const cookie = randomSecret();
    const now = this.clock.now();
    const expiresAt = new Date(now.getTime() + SESSION_SECONDS * 1_000);
    await this.database.system(async (tx) => {
      await tx.userSession.deleteMany({ where: { expiresAt: { lte: now } } });
      await tx.userSession.create({ data: { idHash: sha256(cookie), userId: user.id, createdAt: now, expiresAt } });
    });
    return { user, expiresAt, cookie };
  }

  async find(cookie: string | undefined): Promise<AdminSession | undefined> {
    if (!cookie || !/^[\w-]{43}$/.test(cookie)) return undefined;
    const row = await this.database.system((tx) =>
      tx.userSession.findUnique({
        where: { idHash: sha256(cookie) },
        include: { user: { select: { id: true, email: true } } },
      }),
    );
    return row && row.expiresAt > this.clock.now() ? { user: row.user, expiresAt: row.expiresAt } : undefined;
  }

  async close(cookie: string | undefined): Promise<void> {
    if (cookie) await this.database.system((tx) => tx.userSession.deleteMany({ where: { idHash: sha256(cookie) } }));
  }

  async #count(key: string, limit: number): Promise<void> {
    const result = await this.counters.consume(key, limit, LOGIN_LIMITS.windowSeconds);
    if (!result.allowed) throw new TooManyAttempts(result.resetSeconds);
  }
}
