import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { MailOutbox, type MailText, type PreparedMail } from '../../mail/mail-outbox.js';
import { normalizeEmail } from '../users.service.js';
import { type AttemptKind, SignInAttempts } from './sign-in-attempts.js';
import { SignInLimits } from './sign-in-limits.js';
import { consoleLink, invitationMail, magicLinkMail, passwordResetMail } from './sign-in-mails.js';

/** How long a mailed link works, in seconds. */
export const LINK_SECONDS = { 'magic-link': 900, 'password-reset': 1_800, 'staff-invitation': 7 * 86_400 } as const;
type LinkKind = keyof typeof LINK_SECONDS & AttemptKind;

/** What the fragment of a link is called, by which the console knows what to do with it. */
const FRAGMENTS: Record<LinkKind, string> = {
  'magic-link': 'magic',
  'password-reset': 'password-reset',
  'staff-invitation': 'invitation',
};

/** Writes links that sign somebody in. A newer link of a kind ends the older one. */
@Injectable()
export class MailedLinksService {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly attempts: SignInAttempts,
    private readonly limits: SignInLimits,
    private readonly outbox: MailOutbox,
    private readonly clock: Clock,
  ) {}

  /**
   * For anybody who asks. Does the same work and resolves alike whether somebody has the address or not, and when the
   * address was sent enough already. Throws MailNotConfigured, or TooManyAttempts about the caller's own address.
   */
  async request(kind: 'magic-link' | 'password-reset', address: string, from: string): Promise<void> {
    this.outbox.assertAvailable();
    await this.limits.consume('address', from);
    const email = normalizeEmail(address);
    const allowed = await this.limits.allows('mails', email);
    const select = { id: true, disabledAt: true } as const;
    const user = await this.database.system((tx) => tx.user.findUnique({ where: { email }, select }));
    const userId = allowed && user?.disabledAt === null ? user.id : null;
    const text = kind === 'magic-link' ? magicLinkMail : passwordResetMail;
    const { token, tokenHash } = this.attempts.newToken();
    const mail = await this.#prepare(kind, email, null, text(this.#link(kind, token)));
    await this.database.system(async (tx) => {
      await this.attempts.replace(tx, { kind, userId, seconds: LINK_SECONDS[kind], tokenHash });
      await (userId === null ? this.outbox.appendNothing(tx, mail) : this.outbox.append(tx, mail));
    });
    await this.outbox.announce();
  }

  /** The link and its mail, for `invite` in the transaction that makes the user. */
  async prepareInvitation(email: string, tenantId: string | null, where: string): Promise<Invitation> {
    const { token, tokenHash } = this.attempts.newToken();
    const url = this.#link('staff-invitation', token);
    const mail = await this.#prepare('staff-invitation', email, tenantId, invitationMail(url, where));
    return { url, tokenHash, mail };
  }

  /** Mails it where mail goes out; otherwise somebody has to hand the link over. */
  async invite(tx: Tx, userId: string, { tokenHash, mail }: Invitation): Promise<void> {
    const kind = 'staff-invitation';
    await this.attempts.replace(tx, { kind, userId, seconds: LINK_SECONDS[kind], tokenHash });
    if (this.outbox.unavailable === undefined) await this.outbox.append(tx, mail);
  }

  /** Call after the commit. */
  async announce(): Promise<void> {
    await this.outbox.announce();
  }

  #link(kind: LinkKind, token: string): string {
    return consoleLink(this.config.url, FRAGMENTS[kind], token);
  }

  #prepare(kind: LinkKind, recipient: string, tenantId: string | null, text: MailText): Promise<PreparedMail> {
    const expiresAt = new Date(this.clock.now().getTime() + LINK_SECONDS[kind] * 1_000);
    return this.outbox.prepare({ tenantId, recipient, kind, expiresAt, ...text });
  }
}

export interface Invitation {
  readonly url: string;
  readonly tokenHash: string;
  readonly mail: PreparedMail;
}
