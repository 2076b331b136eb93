import { Injectable } from '@nestjs/common';
import type { MemberUsageView, QuotaTodayView, QuotaUnitView, UsageView } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { encodeCursor } from '../http/cursor.js';
import { MemberNotFound } from '../members/members.errors.js';
import { dailyLimits } from '../routing/daily-limits.js';
import type { CounterRow } from './quota.repository.js';
import { type UsageRange, usageRange } from './usage-range.js';
import { type DayRow, type Grouping, toGroupView, UsageRepository } from './usage.repository.js';

const EXPORT_PAGE = 1_000;
const DAY_MS = 86_400_000;
/** Most days a range has. */
const ALL_DAYS = 500;

type AskedRange = { from?: string; to?: string };
type Page = { readonly after: string | undefined; readonly limit: number };

/** What was used, by whom, and what is left of today. */
@Injectable()
export class UsageService {
  constructor(
    private readonly database: Database,
    private readonly usage: UsageRepository,
    private readonly clock: Clock,
  ) {}

  async summary(tenantId: string, asked: AskedRange, groupBy: Grouping, page: Page): Promise<UsageView> {
    const range = usageRange(asked, this.clock.now());
    return this.database.tenant(tenantId, (tx) => this.#grouped(tx, tenantId, range, groupBy, page));
  }

  /** Of all tenants, for operators. */
  async byTenant(asked: AskedRange, page: Page): Promise<UsageView> {
    const range = usageRange(asked, this.clock.now());
    return this.database.system((tx) => this.#grouped(tx, undefined, range, 'tenant', page));
  }

  async today(tenantId: string): Promise<QuotaTodayView> {
    return this.database.tenant(tenantId, async (tx) => {
      const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { limits: true } });
      return this.#today(tx, tenantId, 'tenant', tenantId, tenant.limits);
    });
  }

  /** @param member the id, or the tenant's own name of the member. */
  async ofMember(
    tenantId: string,
    member: { readonly id: string } | { readonly externalId: string },
    asked: AskedRange,
  ): Promise<MemberUsageView> {
    const range = usageRange(asked, this.clock.now());
    return this.database.tenant(tenantId, async (tx) => {
      const row = await tx.member.findFirst({ where: { tenantId, ...member } });
      if (!row) throw new MemberNotFound();
      const tier = await tx.tier.findFirst({ where: { tenantId, key: row.tierKey }, select: { limits: true } });
      const filter = { ...range, memberId: row.id };
      const days = await this.usage.groups(tx, tenantId, filter, { groupBy: 'day', limit: ALL_DAYS });
      return {
        member: { id: row.id, externalId: row.externalId, tier: row.tierKey },
        today: await this.#today(tx, tenantId, 'member', row.id, tier?.limits),
        ...range,
        totals: await this.usage.totals(tx, tenantId, filter),
        days: days.map((day) => toGroupView(day, new Map())),
      };
    });
  }

  /** Checked before the first row, so that a wrong range is an answer and not a broken file. */
  exportRange(asked: AskedRange): UsageRange {
    return usageRange(asked, this.clock.now());
  }

  /** Every row of the days, a page at a time. */
  async *rows(tenantId: string, range: UsageRange): AsyncGenerator<DayRow> {
    let after: DayRow | undefined;
    for (;;) {
      const rows = await this.database.tenant(tenantId, (tx) =>
        this.usage.days(tx, tenantId, range, after, EXPORT_PAGE),
      );
      yield* rows;
      after = rows.at(-1);
      if (rows.length < EXPORT_PAGE) return;
    }
  }

  async #grouped(
    tx: Tx,
    tenantId: string | undefined,
    range: UsageRange,
    groupBy: Grouping,
    { after, limit }: Page,
  ): Promise<UsageView> {
    const rows = await this.usage.groups(tx, tenantId, range, { groupBy, after, limit: limit + 1 });
    const shown = rows.slice(0, limit);
    const keys = shown.map((row) => row.key);
    const names = await this.usage.names(tx, groupBy, keys);
    return {
      ...range,
      groupBy,
      totals: await this.usage.totals(tx, tenantId, range),
      items: shown.map((row) => toGroupView(row, names)),
      nextCursor: rows.length > limit ? encodeCursor([keys.at(-1)!]) : null,
    };
  }

  async #today(
    tx: Tx,
    tenantId: string,
    scope: CounterRow['scope'],
    scopeId: string,
    stored: unknown,
  ): Promise<QuotaTodayView> {
    const now = this.clock.now().getTime();
    const day = new Date(now).toISOString().slice(0, 10);
    const counter = await this.usage.counter(tx, tenantId, scope, scopeId, day);
    const limits = dailyLimits(stored);
    return {
      day,
      resetsAt: new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString(),
      messages: Number(counter.messages),
      tokens: unitView(limits.tokensPerDay, counter.usedTokens, counter.leasedTokens),
      costMicros: unitView(limits.costPerDayMicros, counter.usedMicros, counter.leasedMicros),
    };
  }
}

/** What is set aside may be used or come back; what remains counts it as not used yet. */
function unitView(limit: number | null, used: bigint, reserved: bigint): QuotaUnitView {
  const remaining = limit === null ? null : Math.max(0, limit - Number(used));
  return { limit, used: Number(used), reserved: Number(reserved), remaining };
}
