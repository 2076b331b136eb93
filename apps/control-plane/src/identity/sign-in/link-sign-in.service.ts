import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Database, type Tx } from '#libs/database';
import { type AttemptKind, SignInAttempts } from './sign-in-attempts.js';
import { PasswordsService } from './passwords.service.js';
import { LinkInvalid } from './sign-in.errors.js';
import { SignInFlow, type SignInOutcome } from './sign-in-flow.js';

/** Signing in with a mailed link. Any browser may use it: people ask on one device and read mail on another. */
@Injectable()
export class LinkSignInService {
  constructor(
    private readonly database: Database,
    private readonly attempts: SignInAttempts,
    private readonly passwords: PasswordsService,
    private readonly flow: SignInFlow,
  ) {}

  /** Throws LinkInvalid. */
  async magicLink(token: string, reply: FastifyReply): Promise<SignInOutcome> {
    const userId = await this.database.system((tx) => this.#take(tx, 'magic-link', token));
    return this.flow.finish(userId, 'magic-link', reply);
  }

  /** The first sign-in of somebody who was invited, with a password or without. Throws LinkInvalid or PasswordTooWeak. */
  async invitation(
    input: { readonly token: string; readonly password?: string | undefined; readonly name?: string | undefined },
    reply: FastifyReply,
  ): Promise<SignInOutcome> {
    const { token, password, name } = input;
    const kind = 'staff-invitation';
    const userId =
      password === undefined
        ? await this.database.system((tx) => this.#take(tx, kind, token))
        : await this.passwords.reset(kind, token, password);
    if (name !== undefined)
      await this.database.system((tx) => tx.user.updateMany({ where: { id: userId, name: null }, data: { name } }));
    return this.flow.finish(userId, 'magic-link', reply);
  }

  async #take(tx: Tx, kind: AttemptKind, token: string): Promise<string> {
    const userId = (await this.attempts.take(tx, kind, token))?.userId;
    if (!userId) throw new LinkInvalid();
    await this.passwords.verified(tx, userId);
    return userId;
  }
}
