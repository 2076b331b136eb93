import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { MailOutbox } from '../../mail/mail-outbox.js';
import type { Principal } from '../principal.js';
import { type Invitation, MailedLinksService } from '../sign-in/mailed-links.service.js';
import { SignInLimits } from '../sign-in/sign-in-limits.js';
import { normalizeEmail } from '../users.service.js';
import { AlreadyJoined } from './staff.errors.js';

export interface NewPerson {
  readonly email: string;
  readonly name?: string | undefined;
}

export interface InvitedUser {
  readonly id: string;
  readonly email: string;
  readonly passwordHash: string | null;
  readonly emailVerifiedAt: Date | null;
}

export interface InvitationView {
  /** by-link: hand the link over yourself, no mail goes out from here. */
  readonly sent: 'by-mail' | 'by-link';
  readonly url: string | null;
}

/** Users that somebody adds: new ones get a link by which they choose how they sign in. */
@Injectable()
export class InvitedUsers {
  constructor(
    private readonly database: Database,
    private readonly links: MailedLinksService,
    private readonly outbox: MailOutbox,
    private readonly limits: SignInLimits,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /**
   * The link for a person whom nobody knows yet; undefined for a user there is. Throws MailNotConfigured or TooManyAttempts.
   */
  async prepare(
    principal: Principal,
    person: NewPerson,
    tenantId: string | null,
    where: string,
  ): Promise<Invitation | undefined> {
    const email = normalizeEmail(person.email);
    const known = await this.database.system((tx) => tx.user.count({ where: { email } }));
    if (known > 0) return undefined;
    await this.#assertMayInvite(principal);
    return this.links.prepareInvitation(email, tenantId, where);
  }

  /** Another link for somebody who has not come yet; the one before dies. Throws MailNotConfigured or TooManyAttempts. */
  async again(principal: Principal, user: InvitedUser, tenantId: string | null, where: string): Promise<Invitation> {
    await this.#assertMayInvite(principal);
    if (user.passwordHash !== null || user.emailVerifiedAt !== null) throw new AlreadyJoined();
    await this.limits.consume('mails', user.email, user.id);
    return this.links.prepareInvitation(user.email, tenantId, where);
  }

  async resend(tx: Tx, userId: string, invitation: Invitation): Promise<void> {
    await this.links.invite(tx, userId, invitation);
  }

  /** The user of the address, made when there is none; then they are invited. */
  async ensure(tx: Tx, person: NewPerson, invitation: Invitation | undefined): Promise<{ id: string; made: boolean }> {
    const [email, id] = [normalizeEmail(person.email), this.ids.next('user')];
    const data = { id, email, name: person.name ?? null, createdAt: this.clock.now() };
    const made = invitation !== undefined && (await tx.user.createMany({ data, skipDuplicates: true })).count === 1;
    if (made) await this.links.invite(tx, id, invitation);
    return { id: (await tx.user.findUniqueOrThrow({ where: { email }, select: { id: true } })).id, made };
  }

  /**
   * Where no mail goes out, the link is shown to hand over. Whoever opens it proves the address and has what the user was
   * given, so it is for operators who may do everything, and never for a tenant's owner or a narrower key. Who is no
   * operator invites so many and no more: the platform's mail is nobody's means to write to strangers.
   */
  async #assertMayInvite(principal: Principal): Promise<void> {
    const isOperator = principal.kind === 'operator';
    if (!isOperator || !principal.scopes.includes('*')) this.outbox.assertAvailable();
    if (!isOperator && 'tenantId' in principal) await this.limits.consume('invitations', principal.tenantId);
  }

  /** Call after the commit. */
  async announce(invitation: Invitation | undefined, made: boolean): Promise<InvitationView | null> {
    if (!made || !invitation) return null;
    if (this.outbox.unavailable !== undefined) return { sent: 'by-link', url: invitation.url };
    await this.outbox.announce();
    return { sent: 'by-mail', url: null };
  }
}
