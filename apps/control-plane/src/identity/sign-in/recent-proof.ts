import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { SecondFactorService } from '../second-factor/second-factor.service.js';
import { UsersService } from '../users.service.js';
import { CodeRequired, ProofInvalid, ProofMissing, RecentProofRequired } from './sign-in.errors.js';
import { SignInLimits } from './sign-in-limits.js';

/** A sensitive change wants a proof of who is at the keyboard that is no older, in seconds. Signing in is one. */
export const PROOF_SECONDS = 600;

/** Throws RecentProofRequired. */
export function assertRecentProof(session: { readonly provedAt: Date }, now: Date): void {
  if (session.provedAt.getTime() + PROOF_SECONDS * 1_000 <= now.getTime()) throw new RecentProofRequired();
}

@Injectable()
export class RecentProof {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly factors: SecondFactorService,
    private readonly limits: SignInLimits,
    private readonly clock: Clock,
  ) {}

  /** For routes that have only the session's id. Throws RecentProofRequired. */
  async require(sessionId: string): Promise<void> {
    const select = { provedAt: true } as const;
    const session = await this.database.system((tx) => tx.userSession.findUnique({ where: { id: sessionId }, select }));
    if (!session) throw new RecentProofRequired();
    assertRecentProof(session, this.clock.now());
  }

  /** Proof by password, or by code where codes are on. Throws ProofInvalid, CodeRequired, ProofMissing, TooManyAttempts. */
  async prove(
    userId: string,
    sessionId: string,
    given: { readonly password?: string | undefined; readonly code?: string | undefined },
  ): Promise<{ readonly provedUntil: string }> {
    if (given.code !== undefined) {
      if ((await this.factors.use(userId, given.code)) === undefined) throw new ProofInvalid();
    } else if (given.password === undefined) throw new ProofMissing();
    else if (await this.factors.isOn(userId)) throw new CodeRequired();
    else await this.checkPassword(userId, given.password);
    return this.renew(sessionId);
  }

  /** Throws ProofInvalid or TooManyAttempts. */
  async checkPassword(userId: string, password: string): Promise<void> {
    await this.limits.consume('proofs', userId, userId);
    if (!(await this.users.verifyById(userId, password))) throw new ProofInvalid();
  }

  /** After another kind of proof, such as a passkey. */
  async renew(sessionId: string): Promise<{ readonly provedUntil: string }> {
    const provedAt = this.clock.now();
    await this.database.system((tx) => tx.userSession.updateMany({ where: { id: sessionId }, data: { provedAt } }));
    return { provedUntil: new Date(provedAt.getTime() + PROOF_SECONDS * 1_000).toISOString() };
  }
}
