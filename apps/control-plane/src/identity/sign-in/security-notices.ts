import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { MailOutbox, type MailText, type PreparedMail } from '../../mail/mail-outbox.js';

const NOTICE_SECONDS = 86_400;

/** Mails that tell somebody of a change to how they sign in; none where no mail goes out. */
@Injectable()
export class SecurityNotices {
  constructor(
    private readonly outbox: MailOutbox,
    private readonly clock: Clock,
  ) {}

  /** Call before the transaction of the change. */
  async prepare(recipient: string, text: MailText): Promise<PreparedMail | undefined> {
    if (this.outbox.unavailable !== undefined) return undefined;
    const expiresAt = new Date(this.clock.now().getTime() + NOTICE_SECONDS * 1_000);
    return this.outbox.prepare({ tenantId: null, recipient, kind: 'security-notice', expiresAt, ...text });
  }

  async append(tx: Tx, notice: PreparedMail | undefined): Promise<void> {
    if (notice) await this.outbox.append(tx, notice);
  }

  /** Call after the commit. */
  async announce(notice: PreparedMail | undefined): Promise<void> {
    if (notice) await this.outbox.announce();
  }
}
