import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { backoff, Clock } from '#libs/kernel';
import { SEND_TIMEOUT_MS } from './mail-transport.js';

/** Tries of a mail before it fails for good: about three hours, by the waits below. */
export const MAIL_ATTEMPTS = 20;
const RETRY = { base: 5_000, cap: 20 * 60_000 } as const;
/** Longer than a try can take, so that a mail whose sender died is taken up again and none is in two hands. */
const LEASE_MS = SEND_TIMEOUT_MS + 15_000;

export interface ClaimedMail {
  readonly id: string;
  readonly recipient: string;
  readonly kind: string;
  readonly sealed: Uint8Array;
  /** Which try this is, from 1; whoever claims it later has a higher one. */
  readonly attempt: number;
}

/** Mails that wait. A claim moves the due time past the lease in the statement that takes it: no two senders get one. */
@Injectable()
export class MailQueue {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async claim(limit: number): Promise<ClaimedMail[]> {
    const now = this.clock.now();
    const until = new Date(now.getTime() + LEASE_MS);
    return this.database.system(
      (tx) => tx.$queryRaw<ClaimedMail[]>`
        UPDATE mails SET attempts = attempts + 1, due_at = ${until}
        WHERE id IN (SELECT id FROM mails WHERE status = 'pending' AND due_at <= ${now}
                     ORDER BY due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
        RETURNING id, recipient, kind, sealed, attempts AS attempt`,
    );
  }

  async sent(mail: ClaimedMail): Promise<void> {
    await this.#finish(mail, { status: 'sent', sentAt: this.clock.now(), dueAt: null, sealed: null, lastError: null });
  }

  /** No more tries. The text goes too: it may hold a sign-in link. */
  async failed(mail: ClaimedMail, reason: string): Promise<void> {
    await this.#finish(mail, { status: 'failed', dueAt: null, sealed: null, lastError: reason });
  }

  async retry(mail: ClaimedMail, reason: string): Promise<void> {
    const wait = backoff(mail.attempt - 1, RETRY.base, RETRY.cap);
    await this.#finish(mail, { dueAt: new Date(this.clock.now().getTime() + wait), lastError: reason });
  }

  /** Only the try that is the latest writes: one that lost its lease changes nothing. */
  async #finish(
    { id, attempt }: ClaimedMail,
    data: {
      readonly status?: string;
      readonly dueAt: Date | null;
      readonly sealed?: null;
      readonly sentAt?: Date;
      readonly lastError: string | null;
    },
  ): Promise<void> {
    const where = { id, attempts: attempt, status: 'pending' };
    await this.database.system((tx) => tx.mail.updateMany({ where, data }));
  }
}
