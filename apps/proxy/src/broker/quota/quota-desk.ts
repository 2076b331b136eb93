import type { QuotaAmount, QuotaAnswer, QuotaAsk, QuotaCall, QuotaGrant } from '#libs/contracts';
import type { Logger } from '../../proxy.log.js';
import type { UsageClient } from '../usage/usage.client.js';
import type { QuotaAccount } from './quota-account.js';

/** Asks, renewals and returns in one message. */
const MOST_PER_CALL = 100;
/** Returns that could not be told; what is beyond comes back when the leases expire. */
const MOST_RETURNS = 10_000;

export interface LeaseAnswer {
  readonly grant: QuotaGrant;
  readonly validSeconds: number;
}

interface Pending {
  readonly ask: QuotaAsk;
  readonly resolve: (answer: LeaseAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** Talks about leases with the control plane: asks of one moment go together. */
export class QuotaDesk {
  #pending: Pending[] = [];
  /** Totals by lease; a later one says more. */
  readonly #returns = new Map<string, QuotaAmount>();

  constructor(
    private readonly client: UsageClient,
    private readonly identity: { readonly broker: string; readonly boot: string },
    private readonly log: Logger,
  ) {}

  ask(ask: QuotaAsk): Promise<LeaseAnswer> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ ask, resolve, reject });
      if (this.#pending.length === 1) setImmediate(() => this.#sendAsks());
    });
  }

  /** Undefined when the control plane did not answer; leases then run out by themselves. */
  async renew(accounts: readonly QuotaAccount[]): Promise<Pick<QuotaAnswer, 'gone' | 'validSeconds'> | undefined> {
    const gone: string[] = [];
    let validSeconds = Number.MAX_SAFE_INTEGER;
    try {
      for (let at = 0; at < accounts.length; at += MOST_PER_CALL) {
        const renew = accounts.slice(at, at + MOST_PER_CALL).map(({ leaseId }) => leaseId);
        const answer = await this.#call({ renew });
        gone.push(...answer.gone);
        validSeconds = Math.min(validSeconds, answer.validSeconds);
      }
      return { gone, validSeconds };
    } catch (error) {
      this.log.warn({ reason: (error as Error).message }, 'quota leases not renewed');
      return undefined;
    }
  }

  /** Gives back what is free. What cannot be told now is told with the next returns. */
  async giveBack(accounts: readonly QuotaAccount[]): Promise<void> {
    for (const account of accounts) {
      if (this.#returns.size < MOST_RETURNS) this.#returns.set(account.leaseId, account.giveBack());
    }
    try {
      while (this.#returns.size > 0) {
        const some = [...this.#returns].slice(0, MOST_PER_CALL);
        await this.#call({ returns: some.map(([leaseId, returned]) => ({ leaseId, returned })) });
        for (const [leaseId] of some) this.#returns.delete(leaseId);
      }
    } catch (error) {
      this.log.debug({ reason: (error as Error).message }, 'quota not given back yet');
    }
  }

  /** What former lives of this broker held; call it once all of their calls are reported. */
  async forgetFormer(): Promise<void> {
    await this.#call({ forgetFormer: true });
  }

  #sendAsks(): void {
    const all = this.#pending;
    this.#pending = [];
    for (let at = 0; at < all.length; at += MOST_PER_CALL) void this.#send(all.slice(at, at + MOST_PER_CALL));
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      const answer = await this.#call({ asks: batch.map(({ ask }) => ask) });
      const grants = new Map(answer.grants.map((grant) => [grant.leaseId, grant]));
      for (const { ask, resolve, reject } of batch) {
        const grant = grants.get(ask.leaseId);
        if (grant) resolve({ grant, validSeconds: answer.validSeconds });
        else reject(new Error('the control plane did not answer for this lease'));
      }
    } catch (error) {
      for (const { reject } of batch) reject(error as Error);
    }
  }

  #call(part: Partial<QuotaCall>): Promise<QuotaAnswer> {
    const nothing = { asks: [], renew: [], returns: [], forgetFormer: false };
    return this.client.leases({ ...this.identity, ...nothing, ...part });
  }
}
