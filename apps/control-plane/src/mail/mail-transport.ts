import { createTransport } from 'nodemailer';
import type { MailConfig } from '#libs/config';

/** Time for each step with the server and for a whole mail, in milliseconds. The lease on a mail outlasts the whole. */
const TIMEOUTS = { dns: 5_000, connect: 10_000, greeting: 10_000, socket: 20_000 } as const;
export const SEND_TIMEOUT_MS = 45_000;

export interface OutgoingMail {
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Hands mail to a server. An abstract class so that it can be injected. */
export abstract class MailTransport {
  /** Rejects with what nodemailer says: `code`, `responseCode` and `permanent` tell what it was. */
  abstract send(mail: OutgoingMail, signal: AbortSignal): Promise<void>;
}

export class SmtpTransport extends MailTransport {
  readonly #transport;
  readonly #from: string;

  /** @param ca Certificates to trust beside Node's own, in PEM. */
  constructor({ host, port, tls, login, from }: MailConfig, ca?: string) {
    super();
    this.#from = from;
    this.#transport = createTransport({
      host,
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'required',
      ...(login ? { auth: { user: login.user, pass: login.password } } : {}),
      dnsTimeout: TIMEOUTS.dns,
      connectionTimeout: TIMEOUTS.connect,
      greetingTimeout: TIMEOUTS.greeting,
      socketTimeout: TIMEOUTS.socket,
      tls: { minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) },
      // Content comes from us alone: no mail may pull in a file or a page.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send({ id, to, subject, text, html }: OutgoingMail, signal: AbortSignal): Promise<void> {
    // One Message-ID for every try: where a server took the mail and the answer got lost, the second copy can be told.
    const messageId = `<${id}@${this.#from.replace(/^.*@|>$/g, '')}>`;
    const headers = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' };
    await this.#transport.sendMail({ from: this.#from, to, subject, text, html, messageId, headers, signal });
  }
}
