import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { MailOutbox } from '../../mail/mail-outbox.js';
import { SecurityNotices } from '../sign-in/security-notices.js';
import { LastWayToSignIn } from './oidc.errors.js';
import { wayAddedMail } from './way-mails.js';

/** What a user can sign in with: nobody gets another one unnoticed, and nobody locks themselves out by tidying up. */
@Injectable()
export class WaysToSignIn {
  constructor(
    private readonly database: Database,
    private readonly mail: MailOutbox,
    private readonly notices: SecurityNotices,
  ) {}

  /** Adds one in a transaction of its own, and tells its owner by mail. */
  async add<T>(userId: string, what: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const query = { where: { id: userId }, select: { email: true } } as const;
    const { email } = await this.database.system((tx) => tx.user.findUniqueOrThrow(query));
    const notice = await this.notices.prepare(email, wayAddedMail(what));
    const result = await this.database.system(async (tx) => {
      await this.#lock(tx, userId);
      await this.notices.append(tx, notice);
      return work(tx);
    });
    await this.notices.announce(notice);
    return result;
  }

  /** Removes one in a transaction of its own. Throws what `work` throws, or LastWayToSignIn. */
  async remove(userId: string, work: (tx: Tx) => Promise<void>): Promise<void> {
    await this.database.system(async (tx) => {
      await this.#lock(tx, userId);
      await work(tx);
      await this.#assertOneLeft(tx, userId);
    });
  }

  /** One change of a user's ways at a time: two removals at once must not take the last two. */
  async #lock(tx: Tx, userId: string): Promise<void> {
    await tx.$queryRaw`SELECT id FROM users WHERE id = ${userId} FOR NO KEY UPDATE`;
  }

  async #assertOneLeft(tx: Tx, userId: string): Promise<void> {
    // A link by mail always finds its user, as long as this installation sends mail.
    if (this.mail.unavailable === undefined) return;
    const passwords = await tx.user.count({ where: { id: userId, passwordHash: { not: null } } });
    const passkeys = await tx.passkey.count({ where: { userId } });
    const identities = await tx.userIdentity.count({ where: { userId, provider: { enabled: true } } });
    if (passwords + passkeys + identities === 0) throw new LastWayToSignIn();
  }
}
