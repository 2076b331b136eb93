import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Database } from '#libs/database';
import { SESSION_SECONDS, SessionsService, type SessionUser, type StartOptions } from '../sessions.service.js';
import { ConsoleCookies, SECOND_FACTOR_COOKIE, SESSION_COOKIE } from './console-cookies.js';
import { DeviceCookies } from './device-cookies.js';
import { SignInAttempts } from './sign-in-attempts.js';
import { AccountDisabled } from './sign-in.errors.js';

/** How somebody has proved who they are. */
export type SignInMethod = 'password' | 'magic-link' | `oidc:${string}` | 'passkey';

export type SignInOutcome =
  | { readonly status: 'signed-in'; readonly user: SessionUser; readonly expiresAt: string }
  | {
      readonly status: 'second-factor';
      readonly methods: readonly ['totp', 'recovery-code'];
      readonly expiresAt: string;
    };

const SECOND_FACTOR_SECONDS = 300;

/** The end of every way to sign in: a session with its cookie, or the second step for who has one set up. */
@Injectable()
export class SignInFlow {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly attempts: SignInAttempts,
    private readonly cookies: ConsoleCookies,
    private readonly devices: DeviceCookies,
  ) {}

  /**
   * Call when the first factor is proved. A passkey with user verification is two factors in one and needs no second step.
   * Throws AccountDisabled.
   */
  async finish(
    userId: string,
    method: SignInMethod,
    reply: FastifyReply,
    still?: StartOptions['still'],
  ): Promise<SignInOutcome> {
    const select = { disabledAt: true, totp: { select: { confirmedAt: true } } } as const;
    const user = await this.database.system((tx) => tx.user.findUnique({ where: { id: userId }, select }));
    if (!user || user.disabledAt !== null) throw new AccountDisabled();
    if (method === 'passkey' || !user.totp?.confirmedAt) return this.signIn(userId, method, reply, still);
    const { token, expiresAt } = await this.database.system((tx) =>
      this.attempts.issue(tx, { kind: 'second-factor', userId, data: { method }, seconds: SECOND_FACTOR_SECONDS }),
    );
    this.cookies.set(reply, SECOND_FACTOR_COOKIE, token, SECOND_FACTOR_SECONDS);
    return { status: 'second-factor', methods: ['totp', 'recovery-code'], expiresAt: expiresAt.toISOString() };
  }

  /** A session of its own id whatever the browser had before; that one ends. */
  async signIn(
    userId: string,
    method: string,
    reply: FastifyReply,
    still?: StartOptions['still'],
  ): Promise<SignInOutcome> {
    const before = this.cookies.read(reply.request.headers, SESSION_COOKIE);
    const session = await this.sessions.start(userId, method, { before, still });
    this.cookies.set(reply, SESSION_COOKIE, session.cookie, SESSION_SECONDS);
    this.devices.remember(reply, session.user.email);
    return { status: 'signed-in', user: session.user, expiresAt: session.expiresAt.toISOString() };
  }
}
