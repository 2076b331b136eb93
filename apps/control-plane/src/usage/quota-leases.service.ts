import { Injectable } from '@nestjs/common';
import type { QuotaAnswer, QuotaAsk, QuotaCall, QuotaGrant } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import { QuotaAlerts } from './quota-alerts.js';
import {
  type Decision,
  decide,
  type LeaseRow,
  type LimitState,
  type Pair,
  shareChange,
  shareOf,
  stateView,
} from './quota-grant.js';
import { limitStates } from './quota-limits.js';
import { type CounterRow, type QuotaHolder, QuotaRepository, type StoredLease } from './quota.repository.js';
import { NO_CHANGE, scopesOf } from './usage-intake.service.js';

/** How long a lease may be spent without a sign of life, in seconds. */
export const LEASE_SECONDS = 300;
/**
 * After that, how long a dead broker's lease is kept for what its journal may still report, in seconds. Then it comes back:
 * what is reported later counts as used all the same, and may exceed a limit by no more than that lease.
 */
export const LEASE_GRACE_SECONDS = 900;
const FORGET_AT_ONCE = 500;
const DAY_MS = 86_400_000;

type Life = { readonly broker: string; readonly boot: string; readonly expiresAt: Date };

/** Promises brokers parts of members' days. used + leased of a counter never exceeds a limit by a promise. */
@Injectable()
export class QuotaLeasesService {
  constructor(
    private readonly database: Database,
    private readonly quota: QuotaRepository,
    private readonly alerts: QuotaAlerts,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  async serve(call: QuotaCall): Promise<QuotaAnswer> {
    const { broker, boot } = call;
    const life = { broker, boot, expiresAt: new Date(this.clock.now().getTime() + LEASE_SECONDS * 1000) };
    if (call.forgetFormer) await this.#forgetFormer(life);
    if (call.returns.length > 0) await this.#takeBack(call.returns);
    const there = call.renew.length === 0 ? new Set<string>() : await this.#renew(call.renew, life);
    const grants: QuotaGrant[] = [];
    for (const ask of call.asks) grants.push(await this.#grant(ask, life));
    return { validSeconds: LEASE_SECONDS, grants, gone: call.renew.filter((id) => !there.has(id)) };
  }

  /** Gives leases back to the counters and deletes them, each by itself; they may be gone already. */
  async release(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.database.system(async (tx) => {
        const leases = await this.quota.lockLeases(tx, [id]);
        await this.#lower(
          tx,
          leases.map((lease) => ({ lease, by: shareOf(lease) })),
        );
        await this.quota.deleteLeases(tx, [id]);
      });
    }
  }

  async #grant(ask: QuotaAsk, life: Life): Promise<QuotaGrant> {
    if (!this.#isNear(ask.day)) return grantView(ask, 'unknown');
    const result = await this.database.system(async (tx) => {
      const holder = await this.quota.holder(tx, ask.agentId);
      if (!holder) return { grant: grantView(ask, 'unknown'), said: false };
      const refused = await this.#refusedAtSight(tx, ask, holder);
      if (refused) return refused;
      const lease = await this.quota.takeLease(tx, ask, holder, life);
      if (!lease) return { grant: grantView(ask, 'gone'), said: false };
      return this.#decide(tx, ask, holder, lease);
    });
    if (result.said) await this.outbox.announce();
    return result.grant;
  }

  /**
   * Near a limit most asks are refused, and they must not queue for the counters' locks with those that report and return.
   * What is too much now is refused as it is seen; what seems to fit is decided under the locks.
   */
  async #refusedAtSight(
    tx: Tx,
    ask: QuotaAsk,
    holder: QuotaHolder,
  ): Promise<{ grant: QuotaGrant; said: boolean } | undefined> {
    const lease = await this.quota.findLease(tx, ask.leaseId);
    if (!lease && ask.granted.tokens + ask.granted.micros > 0) return undefined;
    const begun = await this.quota.peek(tx, holder, ask.day);
    const counters = scopesOf({ ...holder, day: ask.day }).map(
      (scope) => begun.find((counter) => counter.scope === scope.scope) ?? { ...scope, ...NO_CHANGE, alerted: 0 },
    );
    const decision = decide(ask, lease ?? NO_LEASE, limitsOf(counters, holder));
    return 'refusal' in decision ? this.#refuse(tx, ask, lease ?? NO_LEASE, decision, counters) : undefined;
  }

  async #decide(
    tx: Tx,
    ask: QuotaAsk,
    holder: QuotaHolder,
    lease: LeaseRow,
  ): Promise<{ grant: QuotaGrant; said: boolean }> {
    const scopes = scopesOf({ ...holder, day: ask.day });
    const counters = await this.quota.change(
      tx,
      scopes.map((scope) => ({ ...scope, ...NO_CHANGE })),
    );
    const decision = decide(ask, lease, limitsOf(counters, holder));
    if ('refusal' in decision) return this.#refuse(tx, ask, lease, decision, counters);
    const { granted } = decision;
    const share = shareChange(lease, { granted });
    const leased = { leasedTokens: share.tokens, leasedMicros: share.micros };
    await this.quota.changeLeases(tx, [{ id: lease.id, granted }]);
    await this.quota.change(
      tx,
      scopes.map((scope) => ({ ...scope, ...NO_CHANGE, ...leased })),
    );
    const total = { tokens: lease.grantedTokens + granted.tokens, micros: lease.grantedMicros + granted.micros };
    return { grant: { ...grantView(ask, 'granted', total), scarce: decision.scarce }, said: false };
  }

  async #refuse(
    tx: Tx,
    ask: QuotaAsk,
    lease: LeaseRow,
    { refusal, limitedBy }: Extract<Decision, { refusal: string }>,
    counters: readonly CounterRow[],
  ): Promise<{ grant: QuotaGrant; said: boolean }> {
    const counter = counters.find(({ scope }) => scope === limitedBy.scope);
    const final = refusal === 'exhausted' && counter !== undefined;
    const said = final && (await this.alerts.refused(tx, counter, limitedBy));
    const view = grantView(ask, 'refused', { tokens: lease.grantedTokens, micros: lease.grantedMicros });
    return { grant: { ...view, scarce: true, refusal, limitedBy: stateView(limitedBy) }, said };
  }

  /** Totals that only rise: told twice or late, they change nothing. */
  async #takeBack(returns: QuotaCall['returns']): Promise<void> {
    const totals = new Map(returns.map(({ leaseId, returned }) => [leaseId, returned]));
    await this.database.system(async (tx) => {
      const leases = await this.quota.lockLeases(tx, [...totals.keys()]);
      const changes = leases.map((lease) => {
        const total = totals.get(lease.id)!;
        const rise = (now: number, was: bigint) => (BigInt(now) > was ? BigInt(now) - was : 0n);
        const returned = {
          tokens: rise(total.tokens, lease.returnedTokens),
          micros: rise(total.micros, lease.returnedMicros),
        };
        const share = shareChange(lease, { returned });
        return { lease, returned, by: { tokens: -share.tokens, micros: -share.micros } };
      });
      await this.quota.changeLeases(
        tx,
        changes.map(({ lease, returned }) => ({ id: lease.id, returned })),
      );
      await this.#lower(tx, changes);
    });
  }

  /** What leases held leaves their counters. */
  async #lower(tx: Tx, changes: readonly { readonly lease: StoredLease; readonly by: Pair }[]): Promise<void> {
    const sums = new Map<string, Parameters<QuotaRepository['change']>[1][number]>();
    for (const { lease, by } of changes) {
      for (const scope of scopesOf(lease)) {
        const key = `${scope.scope}/${scope.scopeId}/${scope.day}`;
        const was = sums.get(key) ?? { ...scope, ...NO_CHANGE };
        const leased = { leasedTokens: was.leasedTokens - by.tokens, leasedMicros: was.leasedMicros - by.micros };
        sums.set(key, { ...was, ...leased });
      }
    }
    if (sums.size > 0) await this.quota.change(tx, [...sums.values()]);
  }

  async #renew(ids: readonly string[], { broker, expiresAt }: Life): Promise<Set<string>> {
    return this.database.system((tx) => this.quota.renew(tx, ids, broker, expiresAt));
  }

  async #forgetFormer({ broker, boot }: Life): Promise<void> {
    for (;;) {
      const ids = await this.database.system((tx) => this.quota.formerLeases(tx, broker, boot, FORGET_AT_ONCE));
      await this.release(ids);
      if (ids.length < FORGET_AT_ONCE) return;
    }
  }

  /** A broker whose clock is days off must not spend another day's quota. */
  #isNear(day: string): boolean {
    const at = Date.parse(day);
    const now = this.clock.now().getTime();
    return Number.isFinite(at) && at <= now + DAY_MS && at >= now - 2 * DAY_MS;
  }
}

const NO_LEASE: LeaseRow = {
  id: '',
  grantedTokens: 0n,
  grantedMicros: 0n,
  returnedTokens: 0n,
  returnedMicros: 0n,
  spentTokens: 0n,
  spentMicros: 0n,
};

const limitsOf = (counters: readonly CounterRow[], holder: QuotaHolder): LimitState[] =>
  counters.flatMap((counter) =>
    limitStates(counter, counter.scope === 'member' ? holder.tierLimits : holder.tenantLimits),
  );

function grantView(
  { leaseId, granted }: QuotaAsk,
  status: QuotaGrant['status'],
  total: Pair = { tokens: BigInt(granted.tokens), micros: BigInt(granted.micros) },
): QuotaGrant {
  const amount = { tokens: Number(total.tokens), micros: Number(total.micros) };
  return { leaseId, status, granted: amount, scarce: false, refusal: null, limitedBy: null };
}
