import type { AgentRoute, QuotaAmount, TenantRoute } from '#libs/contracts';
import { minus, NOTHING, plus } from './amounts.js';
import type { Reservation } from './quota-account.js';

/**
 * What this proxy may spend of a day's limit without a lease while the control plane is away: members whose lease has run
 * out are served on, and a limit is passed by at most this share for each proxy that is cut off.
 */
export const OUTAGE_SHARE = 0.1;

type Limits = AgentRoute['limits'] | TenantRoute['limits'];

const within = (limit: number | null, amount: number): boolean => limit === null || amount <= limit * OUTAGE_SHARE;

/** Spends a small part of members' days on credit. What is spent is journaled and reported like everything else. */
export class OutageAllowance {
  /** Set aside and spent today, by member and by tenant. */
  readonly #taken = new Map<string, QuotaAmount>();
  #day = '';

  constructor(private readonly today: () => string = () => new Date().toISOString().slice(0, 10)) {}

  /** Undefined when the share of the member or of the tenant does not hold it. */
  take(
    agent: Pick<AgentRoute, 'tenantId' | 'memberId' | 'limits'>,
    tenant: Limits | undefined,
    amount: QuotaAmount,
  ): Reservation | undefined {
    this.#turnDay();
    const scopes: readonly [string, Limits | undefined][] = [
      [`${agent.tenantId}/${agent.memberId}`, agent.limits],
      [agent.tenantId, tenant],
    ];
    const limited = scopes.flatMap(([key, limits]) => (limits ? [{ key, limits }] : []));
    if (!limited.every(({ key, limits }) => this.#fits(key, limits, amount))) return undefined;
    const keys = limited.map(({ key }) => key);
    this.#add(keys, amount);
    const day = this.#day;
    return {
      leaseId: null,
      settle: (real) => {
        if (day === this.#day) this.#add(keys, minus(real, amount));
      },
    };
  }

  #fits(key: string, limits: Limits, amount: QuotaAmount): boolean {
    const { tokens, micros } = plus(this.#taken.get(key) ?? NOTHING, amount);
    return within(limits.tokensPerDay, tokens) && within(limits.costPerDayMicros, micros);
  }

  #add(keys: readonly string[], amount: QuotaAmount): void {
    for (const key of keys) this.#taken.set(key, plus(this.#taken.get(key) ?? NOTHING, amount));
  }

  #turnDay(): void {
    const today = this.today();
    if (today !== this.#day) this.#taken.clear();
    this.#day = today;
  }
}
