import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { Vault } from '../secrets/vault.js';
import { MailNotConfigured } from './mail.errors.js';

export interface MailText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface NewMail extends MailText {
  /** Null: from the platform. */
  readonly tenantId: string | null;
  readonly recipient: string;
  /** magic-link | password-reset | … */
  readonly kind: string;
  /** What it says is of no use after that: then it is no longer sent. */
  readonly expiresAt: Date;
}

/** What is sealed of a mail. */
export interface MailContent extends MailText {
  readonly expiresAt: string;
}

export const MAIL_CHANNEL = 'mail';
export const mailContext = (id: string): string => `mail/${id}`;

/** A mail that is sealed and can be written in the transaction of what it is about. */
export interface PreparedMail {
  readonly id: string;
  readonly tenantId: string | null;
  readonly recipient: string;
  readonly kind: string;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** Mail is written in the transaction of what it tells of, and sent by the worker afterwards. */
@Injectable()
export class MailOutbox {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly notifier: ChangeNotifier,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Why no mail goes out from here; undefined when it does. */
  get unavailable(): string | undefined {
    return this.config.mail === undefined ? new MailNotConfigured().message : undefined;
  }

  /** Throws MailNotConfigured. */
  assertAvailable(): void {
    if (this.config.mail === undefined) throw new MailNotConfigured();
  }

  /** Seals it; call before the transaction, because sealing may make a key of its own. */
  async prepare(mail: NewMail): Promise<PreparedMail> {
    const { tenantId, recipient, kind, subject, text, html, expiresAt } = mail;
    const id = this.ids.next('mail');
    const content: MailContent = { subject, text, html, expiresAt: expiresAt.toISOString() };
    const { sealed } = await this.vault.seal(tenantId, JSON.stringify(content), mailContext(id));
    return { id, tenantId, recipient, kind, sealed };
  }

  async append(tx: Tx, mail: PreparedMail): Promise<void> {
    const now = this.clock.now();
    await tx.mail.create({ data: { ...mail, createdAt: now, dueAt: now }, select: { id: true } });
  }

  /**
   * In place of a mail that nobody gets, because nobody has the address: the same work, so that it takes the same time.
   * Leaves a row without recipient and text.
   */
  async appendNothing(tx: Tx, { id, kind }: PreparedMail): Promise<void> {
    const data = { id, kind, recipient: '', status: 'void', createdAt: this.clock.now(), dueAt: null };
    await tx.mail.create({ data, select: { id: true } });
  }

  /** Call after the commit: the sender looks at once. */
  async announce(): Promise<void> {
    await this.notifier.publish(MAIL_CHANNEL);
  }

  /** In a transaction of its own. */
  async send(mail: NewMail): Promise<void> {
    const prepared = await this.prepare(mail);
    await this.database.system((tx) => this.append(tx, prepared));
    await this.announce();
  }
}
