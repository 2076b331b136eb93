import type { QuotaAmount, QuotaAsk, QuotaGrant, QuotaRefusal, QuotaScopeState } from '#libs/contracts';
import { covers, largest, minus, NOTHING, plus, smallest, times } from './amounts.js';

/** Why a call may not be made. */
export interface QuotaRefused {
  readonly why: QuotaRefusal | 'unavailable';
  readonly limitedBy: QuotaScopeState | null;
  /** The member has been told already. */
  readonly told?: true;
}

/** What one call has set aside. */
export interface Reservation {
  /** Null: on credit, while the control plane was away. */
  readonly leaseId: string | null;
  /** With the real counts, once. */
  settle(real: QuotaAmount): void;
}

/** A call that waits for quota. */
export interface QuotaWaiter {
  readonly amount: QuotaAmount;
  readonly answer: (result: Reservation | QuotaRefused) => void;
}

/** A refusal that holds for a while: asking the control plane again for each call would only burden it. */
export interface Remembered extends QuotaRefused {
  readonly amount: QuotaAmount;
  readonly until: number;
  /** The limits in the routes that it was about. */
  readonly limits: string;
}

/** What an amount is told that would be refused again. */
export function repeatedRefusal(known: Remembered, amount: QuotaAmount, now: number): QuotaRefused | undefined {
  const unit = known.limitedBy?.unit ?? 'tokens';
  if (now >= known.until || amount[unit] < known.amount[unit]) return undefined;
  return { why: known.why, limitedBy: known.limitedBy, told: true };
}

/** Beyond what calls need: this many times the last one, so that the next ones do not wait. */
const AHEAD = 8;

/**
 * One member's lease for one day, as this broker holds it: granted, of that returned, spent (as far as calls have ended)
 * and set aside for calls that run. All amounts only rise, so that messages about them may come twice or late.
 */
export class QuotaAccount {
  granted: QuotaAmount = NOTHING;
  returned: QuotaAmount = NOTHING;
  spent: QuotaAmount = NOTHING;
  reserved: QuotaAmount = NOTHING;
  calls = 0;
  /** Until then it may be spent, on the monotonic clock. */
  validUntil = 0;
  usedAt = 0;
  asking = false;
  /** An ask got no answer: it may have been granted all the same. */
  uncertain = false;
  /** Little is left of the day: what is not needed goes back soon. */
  scarce = false;
  /** No asking in advance before then. */
  aheadFrom = 0;
  waiters: QuotaWaiter[] = [];
  limits = '';
  #last: QuotaAmount = NOTHING;
  #refusal: Remembered | undefined;

  constructor(
    readonly leaseId: string,
    readonly agentId: string,
    readonly day: string,
  ) {}

  get free(): QuotaAmount {
    return minus(minus(minus(this.granted, this.returned), this.spent), this.reserved);
  }

  /** Sets the amount aside; false when the lease does not hold it now. */
  take(amount: QuotaAmount, now: number): boolean {
    this.#last = amount;
    if (now >= this.validUntil || !covers(this.free, amount)) return false;
    // Not by calls that are refused: who keeps trying must not keep what others could use.
    this.usedAt = now;
    this.reserved = plus(this.reserved, amount);
    this.calls += 1;
    return true;
  }

  settle(amount: QuotaAmount, real: QuotaAmount, now: number): void {
    this.reserved = minus(this.reserved, amount);
    this.spent = plus(this.spent, real);
    this.calls -= 1;
    this.usedAt = now;
  }

  /** All that is free goes back; answers the new total of returns. */
  giveBack(): QuotaAmount {
    this.returned = plus(this.returned, largest(this.free, NOTHING));
    return this.returned;
  }

  /** More should be asked for in advance. */
  runsLow(now: number): boolean {
    return !this.asking && !this.scarce && now >= this.aheadFrom && !covers(this.free, times(this.#last, AHEAD / 2));
  }

  ask(waiters: readonly QuotaWaiter[]): QuotaAsk {
    const amounts = waiters.map(({ amount }) => amount);
    const missing = (amount: QuotaAmount) => largest(minus(amount, largest(this.free, NOTHING)), NOTHING);
    const debt = largest(minus(NOTHING, this.free), NOTHING);
    const least = amounts.length > 0 ? amounts.reduce(smallest) : NOTHING;
    return {
      leaseId: this.leaseId,
      agentId: this.agentId,
      day: this.day,
      granted: this.granted,
      returned: this.returned,
      atLeast: plus(missing(least), debt),
      need: plus(missing(amounts.reduce(plus, NOTHING)), debt),
      ahead: this.scarce || this.uncertain ? NOTHING : times(this.#last, AHEAD),
    };
  }

  apply(grant: QuotaGrant): void {
    this.granted = largest(this.granted, grant.granted);
    this.scarce = grant.scarce;
  }

  remember(refused: QuotaRefused, amount: QuotaAmount, until: number): void {
    this.#refusal = { ...refused, amount, until, limits: this.limits };
  }

  /** Counted from when it was asked for: our end of a lease never comes after the control plane's. */
  renewed(sentAt: number, validSeconds: number): void {
    this.validUntil = Math.max(this.validUntil, sentAt + validSeconds * 1000);
  }

  /** The limits that stand in the routes now; a refusal under others says nothing any more. */
  under(limits: string): void {
    if (limits !== this.limits) this.#refusal = undefined;
    this.limits = limits;
  }

  /** The refusal that an amount would get again. */
  refusalOf(amount: QuotaAmount, now: number): QuotaRefused | undefined {
    return this.#refusal && repeatedRefusal(this.#refusal, amount, now);
  }
}
