import { Injectable } from '@nestjs/common';
import type { UsageReceipt, UsageRecordReport } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Outbox } from '../outbox/outbox.js';
import { QuotaAlerts } from './quota-alerts.js';
import { type Pair, shareChange } from './quota-grant.js';
import { type CounterChange, QuotaRepository, type StoredLease } from './quota.repository.js';
import { UsageIntakeRepository, type UsedByScope } from './usage-intake.repository.js';

/** Takes what proxies report: every record once, with its sums, its lease and its counters in the same transaction. */
@Injectable()
export class UsageIntakeService {
  constructor(
    private readonly database: Database,
    private readonly usage: UsageIntakeRepository,
    private readonly quota: QuotaRepository,
    private readonly alerts: QuotaAlerts,
    private readonly outbox: Outbox,
  ) {}

  async take(records: readonly UsageRecordReport[]): Promise<UsageReceipt> {
    const distinct = [...new Map(records.map((record) => [record.id, record])).values()];
    if (distinct.length === 0) return { accepted: 0, known: 0 };
    const { accepted, said } = await this.database.system((tx) => this.#take(tx, distinct));
    if (said) await this.outbox.announce();
    return { accepted, known: records.length - accepted };
  }

  async #take(tx: Tx, records: readonly UsageRecordReport[]): Promise<{ accepted: number; said: boolean }> {
    await this.usage.lockTenants(tx, [...new Set(records.map(({ tenantId }) => tenantId))]);
    const fresh = await this.usage.insert(tx, records);
    if (fresh.size === 0) return { accepted: 0, said: false };
    const ids = [...fresh];
    await this.usage.addToDays(tx, ids);
    const released = await this.#settle(
      tx,
      records.filter(({ id }) => fresh.has(id)),
    );
    const counters = await this.quota.change(tx, changesOf(await this.usage.usedBy(tx, ids), released));
    return { accepted: fresh.size, said: await this.alerts.look(tx, counters) };
  }

  /** What was promised for these calls is now used: it leaves their leases. A lease that is gone promised nothing any more. */
  async #settle(tx: Tx, records: readonly UsageRecordReport[]): Promise<Released[]> {
    const spent = new Map<string, Pair>();
    for (const { leaseId, inputTokens, outputTokens, costMicros } of records) {
      if (leaseId === null) continue;
      const was = spent.get(leaseId) ?? { tokens: 0n, micros: 0n };
      spent.set(leaseId, {
        tokens: was.tokens + BigInt(inputTokens + outputTokens),
        micros: was.micros + BigInt(costMicros ?? 0),
      });
    }
    if (spent.size === 0) return [];
    const leases = await this.quota.lockLeases(tx, [...spent.keys()]);
    const changes = leases.map((lease) => ({ lease, spent: spent.get(lease.id)! }));
    if (changes.length > 0) {
      await this.quota.changeLeases(
        tx,
        changes.map(({ lease, spent }) => ({ id: lease.id, spent })),
      );
    }
    return changes.map(({ lease, spent }) => ({ lease, share: shareChange(lease, { spent }) }));
  }
}

interface Released {
  readonly lease: StoredLease;
  readonly share: Pair;
}

/** One change per counter: what was used, and what is not promised any more. */
function changesOf(used: readonly UsedByScope[], released: readonly Released[]): CounterChange[] {
  const changes = new Map<string, { -readonly [K in keyof CounterChange]: CounterChange[K] }>();
  for (const { tokens, micros, messages, ...key } of used) {
    const nothing = { leasedTokens: 0n, leasedMicros: 0n };
    changes.set(`${key.scope}/${key.tenantId}/${key.scopeId}/${key.day}`, {
      ...key,
      ...nothing,
      usedTokens: tokens,
      usedMicros: micros,
      messages,
    });
  }
  for (const { lease, share } of released) {
    for (const key of scopesOf(lease)) {
      const id = `${key.scope}/${key.tenantId}/${key.scopeId}/${key.day}`;
      const change = changes.get(id) ?? { ...key, ...NO_CHANGE };
      change.leasedTokens += share.tokens;
      change.leasedMicros += share.micros;
      changes.set(id, change);
    }
  }
  return [...changes.values()];
}

export const NO_CHANGE = { usedTokens: 0n, usedMicros: 0n, leasedTokens: 0n, leasedMicros: 0n, messages: 0n };

/** The two counters that a lease draws on. */
export const scopesOf = ({ tenantId, memberId, day }: Pick<StoredLease, 'tenantId' | 'memberId' | 'day'>) =>
  [
    { tenantId, scope: 'member', scopeId: memberId, day },
    { tenantId, scope: 'tenant', scopeId: tenantId, day },
  ] as const;
