import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { MailOutbox } from '../../mail/mail-outbox.js';
import { LastWayToSignIn } from './oidc.errors.js';

/** What a user can still sign in with: nobody may lock themselves out by tidying up. */
@Injectable()
export class WaysToSignIn {
  constructor(private readonly mail: MailOutbox) {}

  /** Removals of one user's ways happen one after the other: two at once must not take the last two. */
  async lock(tx: Tx, userId: string): Promise<void> {
    await tx.$queryRaw`SELECT id FROM users WHERE id = ${userId} FOR NO KEY UPDATE`;
  }

  /** Call after the removal, in its transaction. Throws LastWayToSignIn. */
  async assertOneLeft(tx: Tx, userId: string): Promise<void> {
    // A link by mail always finds its user, as long as this installation sends mail.
    if (this.mail.unavailable === undefined) return;
    const passwords = await tx.user.count({ where: { id: userId, passwordHash: { not: null } } });
    const passkeys = await tx.passkey.count({ where: { userId } });
    const identities = await tx.userIdentity.count({ where: { userId, provider: { enabled: true } } });
    if (passwords + passkeys + identities === 0) throw new LastWayToSignIn();
  }
}
