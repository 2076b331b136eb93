import type { AgentRoute, QuotaAmount, QuotaGrant } from '#libs/contracts';
import type { Logger } from '../../proxy.log.js';
import { NOTHING, smallest } from './amounts.js';
import {
  QuotaAccount,
  type QuotaRefused,
  type QuotaWaiter,
  type Remembered,
  repeatedRefusal,
  type Reservation,
} from './quota-account.js';
import type { QuotaDesk } from './quota-desk.js';

/** Times in milliseconds. */
export const QUOTA_TIMES = {
  /** Leases are renewed this often, and those that nobody uses go back. */
  renew: 60_000,
  /** A member that has no calls for this long gives back what is left. */
  idle: 60_000,
  /** The same when little is left of the day. */
  idleScarce: 2_000,
  /** How long a refusal holds without asking again: until the next day, and until others may have given back. */
  exhausted: 30_000,
  reserved: 500,
  /** Asking in advance pauses after a refusal or fault. */
  ahead: 5_000,
  /** The control plane does not answer: calls are refused at once for this long. */
  unavailable: 1_000,
  sweep: 1_000,
} as const;

export interface LedgerParts {
  readonly desk: QuotaDesk;
  readonly newLeaseId: () => string;
  readonly log: Logger;
  /** The wall clock decides the day. */
  readonly today?: () => string;
  /** Milliseconds of a clock that never steps. */
  readonly now?: () => number;
  readonly times?: Partial<typeof QUOTA_TIMES>;
}

const utcToday = (): string => new Date().toISOString().slice(0, 10);

/** Spends members' days within what the control plane has leased to this broker: usually without asking it. */
export class QuotaLedger {
  readonly #accounts = new Map<string, QuotaAccount>();
  /** Refusals for a tenant's own limit, which is one for all of its members. */
  readonly #tenants = new Map<string, Remembered>();
  readonly #today: () => string;
  readonly #now: () => number;
  readonly #times: typeof QUOTA_TIMES;
  #sweptAt = 0;
  #renewedAt: number;

  constructor(private readonly parts: LedgerParts) {
    this.#today = parts.today ?? utcToday;
    this.#now = parts.now ?? (() => performance.now());
    this.#times = { ...QUOTA_TIMES, ...parts.times };
    this.#renewedAt = this.#now();
  }

  get size(): number {
    return this.#accounts.size;
  }

  /**
   * Sets `amount` aside. At once while the lease holds it, else after asking.
   * @param limits what stands in the routes: a refusal is forgotten when they change.
   */
  reserve(
    agent: Pick<AgentRoute, 'tenantId' | 'memberId' | 'agentId'>,
    amount: QuotaAmount,
    limits: string,
  ): Reservation | QuotaRefused | Promise<Reservation | QuotaRefused> {
    const now = this.#now();
    const key = `${agent.tenantId}/${agent.memberId}/${this.#today()}`;
    const account = this.#accounts.get(key) ?? this.#open(key, agent.agentId);
    account.under(limits);
    if (account.waiters.length === 0 && account.take(amount, now)) {
      if (account.runsLow(now)) this.#ask(key, account);
      return this.#reservation(account, amount);
    }
    const refused = account.refusalOf(amount, now) ?? this.#tenantRefusal(agent.tenantId, amount, limits, now);
    if (refused) return refused;
    return new Promise((resolve) => {
      account.waiters.push({ amount, answer: resolve });
      if (!account.asking) this.#ask(key, account);
    });
  }

  /** Renews what is used and gives back what is not; called about once a second. Never rejects. */
  async sweep(): Promise<void> {
    const now = this.#now();
    if (now - this.#sweptAt < this.#times.sweep) return;
    this.#sweptAt = now;
    const renewing = now - this.#renewedAt >= this.#times.renew;
    if (renewing) this.#renewedAt = now;
    const today = this.#today();
    const returns: QuotaAccount[] = [];
    const renew: QuotaAccount[] = [];
    for (const [key, account] of this.#accounts) {
      const idle = now - account.usedAt >= (account.scarce ? this.#times.idleScarce : this.#times.idle);
      if (account.calls > 0 || account.asking || !(idle || account.day !== today)) {
        if (renewing) renew.push(account);
      } else if (account.uncertain) {
        // What was granted without our knowing must not stay behind: first it is asked for, then it goes back.
        this.#ask(key, account);
      } else {
        this.#accounts.delete(key);
        returns.push(account);
      }
    }
    if (returns.length > 0) await this.parts.desk.giveBack(returns);
    if (renew.length > 0) await this.#renew(renew);
  }

  /** The process ends: everything free goes back. */
  async close(): Promise<void> {
    const all = [...this.#accounts.values()];
    this.#accounts.clear();
    if (all.length > 0) await this.parts.desk.giveBack(all);
  }

  #open(key: string, agentId: string): QuotaAccount {
    const account = new QuotaAccount(this.parts.newLeaseId(), agentId, key.slice(key.lastIndexOf('/') + 1));
    this.#accounts.set(key, account);
    return account;
  }

  #reservation(account: QuotaAccount, amount: QuotaAmount): Reservation {
    return {
      leaseId: account.leaseId,
      settle: (real) => account.settle(amount, real, this.#now()),
    };
  }

  #ask(key: string, account: QuotaAccount): void {
    account.asking = true;
    const waiters = [...account.waiters];
    const sentAt = this.#now();
    this.parts.desk
      .ask(account.ask(waiters))
      .then(({ grant, validSeconds }) => {
        account.renewed(sentAt, validSeconds);
        this.#granted(key, account, waiters, grant);
      })
      .catch((error: Error) => this.#failed(account, error));
  }

  #granted(key: string, account: QuotaAccount, asked: readonly QuotaWaiter[], grant: QuotaGrant): void {
    account.asking = false;
    account.uncertain = false;
    if (grant.status === 'gone') return this.#renewLease(key, account);
    const now = this.#now();
    if (grant.status === 'unknown') {
      account.aheadFrom = now + this.#times.ahead;
      return this.#refuse(account, new Set(account.waiters), { why: 'unavailable', limitedBy: null });
    }
    account.apply(grant);
    account.waiters = account.waiters.filter((waiter) => {
      if (!account.take(waiter.amount, now)) return true;
      waiter.answer(this.#reservation(account, waiter.amount));
      return false;
    });
    if (grant.status === 'refused') this.#refusedBy(account, asked, grant, now);
    if (account.waiters.length > 0) this.#ask(key, account);
  }

  #refusedBy(account: QuotaAccount, asked: readonly QuotaWaiter[], grant: QuotaGrant, now: number): void {
    const { limitedBy } = grant;
    const refused: QuotaRefused = { why: grant.refusal ?? 'reserved', limitedBy };
    account.aheadFrom = now + this.#times.ahead;
    const until = now + this.#times[refused.why === 'exhausted' ? 'exhausted' : 'reserved'];
    const least = asked.length > 0 ? asked.map(({ amount }) => amount).reduce(smallest) : undefined;
    if (least) account.remember(refused, least, until);
    if (limitedBy?.scope === 'tenant') {
      this.#tenantIsScarce(account, least && { ...refused, amount: least, until, limits: account.limits });
    }
    this.#refuse(account, new Set(asked), refused);
  }

  /**
   * Little is left of a whole tenant: what its other members hold here and do not need goes back soon too, and none of them
   * asks for what one of them was just refused.
   */
  #tenantIsScarce(account: QuotaAccount, refusal: Remembered | undefined): void {
    const tenantId = this.#keyOf(account).split('/', 1)[0]!;
    if (refusal) this.#tenants.set(tenantId, refusal);
    for (const [key, other] of this.#accounts) if (key.startsWith(`${tenantId}/`)) other.scarce = true;
  }

  #tenantRefusal(tenantId: string, amount: QuotaAmount, limits: string, now: number): QuotaRefused | undefined {
    const known = this.#tenants.get(tenantId);
    if (known && (now >= known.until || known.limits !== limits)) this.#tenants.delete(tenantId);
    else if (known) return repeatedRefusal(known, amount, now);
    return undefined;
  }

  #refuse(account: QuotaAccount, which: ReadonlySet<QuotaWaiter>, refused: QuotaRefused): void {
    const out = account.waiters.filter((waiter) => which.has(waiter));
    account.waiters = account.waiters.filter((waiter) => !which.has(waiter));
    for (const waiter of out) waiter.answer(refused);
  }

  #failed(account: QuotaAccount, error: Error): void {
    account.asking = false;
    account.uncertain = true;
    const now = this.#now();
    const refused: QuotaRefused = { why: 'unavailable', limitedBy: null };
    account.aheadFrom = now + this.#times.ahead;
    account.remember(refused, NOTHING, now + this.#times.unavailable);
    if (account.waiters.length > 0) this.parts.log.warn({ reason: error.message }, 'quota cannot be leased');
    this.#refuse(account, new Set(account.waiters), refused);
  }

  /** The control plane has taken the lease back (we were away for too long): running calls end under it, new ones get another. */
  #renewLease(key: string, account: QuotaAccount): void {
    if (this.#accounts.get(key) !== account) return;
    const next = this.#open(key, account.agentId);
    next.waiters = account.waiters;
    account.waiters = [];
    if (next.waiters.length > 0) this.#ask(key, next);
  }

  async #renew(accounts: readonly QuotaAccount[]): Promise<void> {
    const sentAt = this.#now();
    const answer = await this.parts.desk.renew(accounts);
    if (!answer) return;
    const gone = new Set(answer.gone);
    for (const account of accounts) {
      if (gone.has(account.leaseId)) this.#renewLease(this.#keyOf(account), account);
      else account.renewed(sentAt, answer.validSeconds);
    }
  }

  #keyOf(account: QuotaAccount): string {
    for (const [key, known] of this.#accounts) if (known === account) return key;
    return '';
  }
}

/** True for a refusal, of what `reserve` gives. */
export const isRefused = (result: Reservation | QuotaRefused): result is QuotaRefused => 'why' in result;
