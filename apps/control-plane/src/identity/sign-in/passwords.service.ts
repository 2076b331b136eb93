import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { assertPassword } from '../password-policy.js';
import { hashPassword } from '../passwords.js';
import { SessionsService } from '../sessions.service.js';
import { SecurityNotices } from './security-notices.js';
import { type AttemptKind, SignInAttempts } from './sign-in-attempts.js';
import { passwordChangedMail } from './sign-in-mails.js';
import { LinkInvalid } from './sign-in.errors.js';

interface NewPassword {
  readonly userId: string;
  readonly password: string;
  readonly action: 'password.change' | 'password.reset';
  /** The session that goes on. */
  readonly keep?: string;
  /** In the same transaction, first; what it throws undoes everything. */
  readonly before?: (tx: Tx) => Promise<void>;
}

/** Setting passwords. Each way ends the user's other sessions and every link that was mailed before, and tells by mail. */
@Injectable()
export class PasswordsService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly attempts: SignInAttempts,
    private readonly audit: AuditLog,
    private readonly notices: SecurityNotices,
    private readonly clock: Clock,
  ) {}

  /** For somebody who has just proved who they are. Throws PasswordTooWeak. */
  async change(userId: string, sessionId: string, password: string): Promise<void> {
    await this.#set({ userId, password, action: 'password.change', keep: sessionId });
  }

  /**
   * With a mailed link, which is used up only when the password will do. The address is proved by it. Throws LinkInvalid or
   * PasswordTooWeak.
   */
  async reset(
    kind: AttemptKind & ('password-reset' | 'staff-invitation'),
    token: string,
    password: string,
  ): Promise<string> {
    const userId = (await this.attempts.find(kind, token))?.userId;
    if (!userId) throw new LinkInvalid();
    const before = async (tx: Tx): Promise<void> => {
      if (!(await this.attempts.take(tx, kind, token))) throw new LinkInvalid();
      await this.verified(tx, userId);
    };
    await this.#set({ userId, password, action: 'password.reset', before });
    return userId;
  }

  /** Whoever opened a mailed link has the address. */
  async verified(tx: Tx, userId: string): Promise<void> {
    const data = { emailVerifiedAt: this.clock.now() };
    await tx.user.updateMany({ where: { id: userId, emailVerifiedAt: null }, data });
  }

  async #set({ userId, password, action, keep, before }: NewPassword): Promise<void> {
    const select = { email: true, passwordHash: true } as const;
    const user = await this.database.system((tx) => tx.user.findUnique({ where: { id: userId }, select }));
    if (!user) throw new LinkInvalid();
    assertPassword(password, user.email);
    const passwordHash = await hashPassword(password);
    const notice = await this.notices.prepare(user.email, passwordChangedMail());
    await this.database.system(async (tx) => {
      await before?.(tx);
      await tx.user.update({ where: { id: userId }, data: { passwordHash }, select: { id: true } });
      const sessionsEnded = await this.sessions.endAll(tx, userId, keep);
      await this.attempts.dropAll(tx, userId);
      if (user.passwordHash !== null) await this.notices.append(tx, notice);
      const line = { tenantId: null, actor: `user:${userId}`, action, resource: 'user', resourceId: userId };
      await this.audit.record(tx, { ...line, data: { sessionsEnded } });
    });
    await this.notices.announce(notice);
  }
}
