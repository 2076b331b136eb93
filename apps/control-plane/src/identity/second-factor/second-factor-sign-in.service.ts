import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Database } from '#libs/database';
import { ConsoleCookies, SECOND_FACTOR_COOKIE } from '../sign-in/console-cookies.js';
import { SignInAttempts } from '../sign-in/sign-in-attempts.js';
import { CodeInvalid, SecondFactorExpired } from '../sign-in/sign-in.errors.js';
import { SignInFlow, type SignInOutcome } from '../sign-in/sign-in-flow.js';
import { SecondFactorService } from './second-factor.service.js';

/** Codes that one sign-in may try. */
export const SECOND_FACTOR_TRIES = 5;

/** The second step of a sign-in, begun by SignInFlow. */
@Injectable()
export class SecondFactorSignInService {
  constructor(
    private readonly database: Database,
    private readonly attempts: SignInAttempts,
    private readonly factors: SecondFactorService,
    private readonly flow: SignInFlow,
    private readonly cookies: ConsoleCookies,
  ) {}

  /** Throws SecondFactorExpired, CodeInvalid or TooManyAttempts. */
  async complete(code: string, reply: FastifyReply): Promise<SignInOutcome> {
    const token = this.cookies.read(reply.request.headers, SECOND_FACTOR_COOKIE);
    // Counted before it is checked: parallel tries cannot outrun the count.
    const attempt = await this.attempts.tryOnce('second-factor', token, SECOND_FACTOR_TRIES);
    if (!attempt?.userId) throw new SecondFactorExpired();
    const factor = await this.factors.use(attempt.userId, code);
    if (!factor) throw new CodeInvalid();
    const taken = await this.database.system((tx) => this.attempts.take(tx, 'second-factor', token));
    if (!taken) throw new SecondFactorExpired();
    const { method } = attempt.data as { readonly method: string };
    const outcome = await this.flow.signIn(attempt.userId, `${method}+${factor}`, reply);
    this.cookies.clear(reply, SECOND_FACTOR_COOKIE);
    return outcome;
  }
}
