import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface ReceivedMail {
  readonly to: readonly string[];
  readonly from: string;
  /** With soft line breaks joined and quoted characters decoded. */
  readonly content: string;
  readonly secure: boolean;
}

/** What the server does with the next mails; undefined: takes them. */
type Behaviour = (nth: number) => Error | 'cut' | undefined;

export const smtpError = (responseCode: number, message = 'refused'): Error =>
  Object.assign(new Error(message), { responseCode });

const decode = (raw: string): string =>
  raw.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/** A mail server on a port of its own. */
export class TestSmtp {
  readonly mails: ReceivedMail[] = [];
  /** Deliveries that reached the end of their data, also refused ones. */
  deliveries = 0;
  onData: Behaviour = () => undefined;
  onRecipient: Behaviour = () => undefined;
  readonly #server: SMTPServer;

  constructor(options: SMTPServerOptions = {}) {
    this.#server = new SMTPServer({
      logger: false,
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      ...options,
      onRcptTo: (_address, _session, done) => {
        const fault = this.onRecipient(this.deliveries + 1);
        done(fault instanceof Error ? fault : null);
      },
      onData: (stream, session, done) => {
        const receive = (raw: string): void => {
          this.deliveries += 1;
          const fault = this.onData(this.deliveries);
          if (fault === 'cut') return this.cut();
          if (fault) return done(fault);
          const { mailFrom, rcptTo } = session.envelope;
          this.mails.push({
            to: rcptTo.map(({ address }) => address),
            from: mailFrom === false ? '' : mailFrom.address,
            content: decode(raw),
            secure: session.secure,
          });
          done();
        };
        text(stream).then(receive, done); // rejected: the sender went away in the middle
      },
    });
    this.#server.on('error', () => undefined); // cut connections are what some tests are about
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  listen(): Promise<this> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve(this)));
  }

  /** Ends every connection without a word. */
  cut(): void {
    for (const connection of this.#server.connections)
      (connection as unknown as { _socket: { destroy(): void } })._socket.destroy();
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** The token of the latest link to somebody, by the name its fragment has. */
  tokenFor(email: string, fragment: string): string | undefined {
    const mail = this.mails.findLast(
      ({ to, content }) => to.includes(email) && content.includes(`/admin/#${fragment}=`),
    );
    return new RegExp(`/admin/#${fragment}=([\\w-]{43})`).exec(mail?.content ?? '')?.[1];
  }
}
