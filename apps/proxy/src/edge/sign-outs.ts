import type { MemberClaims } from '#libs/contracts';
import { backoff, delay } from '#libs/kernel';
import type { Logger } from '../proxy.log.js';
import type { SignInClient } from './sign-in.client.js';
import type { SignedOut } from './signed-out.js';

/** Sign-outs that wait for the control plane; beyond that they hold at this proxy only, and say so in the log. */
const MOST_WAITING = 1_000;
const RETRY = { base: 500, cap: 15_000 } as const;

/** Ends a member's token here at once and everywhere as soon as the control plane can be told. */
export class SignOuts {
  #waiting: MemberClaims[] = [];
  #working = false;

  constructor(
    private readonly client: SignInClient,
    private readonly signedOut: SignedOut,
    private readonly log: Logger,
    private readonly stop: AbortSignal,
  ) {}

  /** Resolves once the control plane knows, or could not be told at the first try; then it is tried again. */
  async end(claims: MemberClaims): Promise<void> {
    this.signedOut.add(claims);
    try {
      await this.client.signOut(claims, this.stop);
    } catch (error) {
      const kept = this.#waiting.length < MOST_WAITING;
      const fields = { tenantId: claims.tid, reason: (error as Error).message, triedAgain: kept };
      this.log.warn(fields, 'a sign-out has not reached the control plane');
      if (kept) this.#waiting.push(claims);
      void this.#work();
    }
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (let attempt = 0; this.#waiting.length > 0 && !this.stop.aborted; attempt += 1) {
      await delay(backoff(attempt, RETRY.base, RETRY.cap), this.stop).catch(() => undefined);
      if (await this.#tell()) attempt = -1;
    }
    this.#working = false;
  }

  /** Tells of everything that waits until one try fails; what has expired meanwhile is of no interest. */
  async #tell(): Promise<boolean> {
    this.#waiting = this.#waiting.filter(({ exp }) => exp * 1_000 > Date.now());
    for (let claims = this.#waiting[0]; claims; claims = this.#waiting[0]) {
      const told = await this.client.signOut(claims, this.stop).then(
        () => true,
        () => false,
      );
      if (!told) return false;
      this.#waiting.shift();
    }
    return true;
  }
}
