import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Clock, deadline, delay } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { Vault } from '../secrets/vault.js';
import { MAIL_CHANNEL, type MailContent, mailContext } from './mail-outbox.js';
import { type ClaimedMail, MAIL_ATTEMPTS, MailQueue } from './mail-queue.js';
import { MailTransport, SEND_TIMEOUT_MS } from './mail-transport.js';

/** Notices can get lost, and tries become due by themselves; the queue is looked at this often anyway, in milliseconds. */
const SWEEP_MS = 2_000;
const BATCH = 5;

/** What went wrong, without what the server said: that may name the recipient. */
const reasonOf = (error: unknown): string => {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  return [code ?? (error as Error).name, responseCode].filter((part) => part !== undefined).join(' ');
};

/** Refused for what it is: another try would be refused again. A wrong password of ours is not the mail's fault. */
const isPermanent = (error: unknown): boolean => {
  const { code, permanent } = error as { code?: unknown; permanent?: unknown };
  return permanent === true && (code === 'EENVELOPE' || code === 'EMESSAGE');
};

/** Sends what waits in the outbox, in processes with the role `worker`. */
@Injectable()
export class MailSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger('mail');
  readonly #stop = new AbortController();
  #awake = new AbortController();
  #running: Promise<void> | undefined;
  #unsubscribe: (() => Promise<void>) | undefined;

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly queue: MailQueue,
    private readonly transport: MailTransport,
    private readonly vault: Vault,
    private readonly notifier: ChangeNotifier,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (this.config.mail === undefined || !this.config.roles.includes('worker')) return;
    const wake = () => this.#awake.abort();
    this.#unsubscribe = await this.notifier.subscribe(MAIL_CHANNEL, wake, wake);
    this.#running = this.#run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort(new Error('the control plane is stopping'));
    this.#awake.abort();
    await this.#running;
    await this.#unsubscribe?.();
  }

  /** Sends what is due now; resolves with how many tries were made. */
  async sendDue(): Promise<number> {
    const mails = await this.queue.claim(BATCH);
    const results = await Promise.allSettled(mails.map((mail) => this.#try(mail)));
    const fault = results.find((result) => result.status === 'rejected');
    if (fault) throw fault.reason;
    return mails.length;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#awake = new AbortController();
      try {
        while ((await this.sendDue()) === BATCH && !this.#stop.signal.aborted);
      } catch (err) {
        this.#logger.warn({ msg: 'mail queue not read; trying again', err });
      }
      await delay(SWEEP_MS, AbortSignal.any([this.#awake.signal, this.#stop.signal])).catch(() => undefined);
    }
  }

  /** A fault of the database on the way ends the try as it is: the mail comes up again when its lease ends. */
  async #try(mail: ClaimedMail): Promise<void> {
    const { id, kind, attempt } = mail;
    const { subject, text, html, expiresAt } = await this.#open(mail);
    if (new Date(expiresAt) <= this.clock.now()) return this.queue.failed(mail, 'expired');
    try {
      const outgoing = { id, to: mail.recipient, subject, text, html };
      await this.transport.send(outgoing, deadline(SEND_TIMEOUT_MS, this.#stop.signal));
    } catch (error) {
      return this.#failed(mail, error);
    }
    await this.queue.sent(mail);
    this.#logger.log({ msg: 'mail sent', mail: id, kind, attempt });
  }

  async #open(mail: ClaimedMail): Promise<MailContent> {
    const content = await this.vault.open(mail.sealed, mailContext(mail.id));
    return JSON.parse(content.toString()) as MailContent;
  }

  async #failed(mail: ClaimedMail, error: unknown): Promise<void> {
    const reason = reasonOf(error);
    const last = mail.attempt >= MAIL_ATTEMPTS || isPermanent(error);
    const { id, kind, attempt } = mail;
    this.#logger.warn({ msg: last ? 'mail failed' : 'mail not sent; trying again', mail: id, kind, attempt, reason });
    await (last ? this.queue.failed(mail, reason) : this.queue.retry(mail, reason));
  }
}
