import { Injectable } from '@nestjs/common';
import { Prisma, type Tx } from '#libs/database';
import type { UsageGroupBy, UsageGroupView, UsageSums } from '#libs/contracts';
import type { UsageRange } from './usage-range.js';
import type { CounterRow } from './quota.repository.js';

/** A group, with `tenant` for operators. */
export type Grouping = UsageGroupBy | 'tenant';

type SumColumns = { readonly [K in keyof UsageSums]: bigint };
type GroupRow = SumColumns & { readonly key: string };

export interface UsageFilter extends UsageRange {
  readonly memberId?: string;
}

export interface DayRow extends SumColumns {
  readonly day: string;
  readonly memberId: string;
  readonly externalId: string | null;
  readonly workspaceId: string;
  readonly tierKey: string;
  readonly provider: string;
  readonly model: string;
}

const SUMS = Prisma.sql`
  coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(messages), 0)::bigint AS messages,
  coalesce(sum(input_tokens), 0)::bigint AS "inputTokens", coalesce(sum(output_tokens), 0)::bigint AS "outputTokens",
  coalesce(sum(cached_tokens), 0)::bigint AS "cachedTokens", coalesce(sum(cost_micros), 0)::bigint AS "costMicros",
  coalesce(sum(unpriced_calls), 0)::bigint AS "unpricedCalls", coalesce(sum(estimated_calls), 0)::bigint AS "estimatedCalls"`;

const KEYS: Record<Grouping, Prisma.Sql> = {
  day: Prisma.sql`to_char(day, 'YYYY-MM-DD')`,
  member: Prisma.sql`member_id`,
  workspace: Prisma.sql`workspace_id`,
  tier: Prisma.sql`tier_key`,
  model: Prisma.sql`provider || '/' || model`,
  tenant: Prisma.sql`tenant_id`,
};

/** Sums of days. Without a tenant: of all of them, for operators. */
@Injectable()
export class UsageRepository {
  async totals(tx: Tx, tenantId: string | undefined, filter: UsageFilter): Promise<UsageSums> {
    const rows = await tx.$queryRaw<SumColumns[]>`SELECT ${SUMS} FROM usage_days WHERE ${where(tenantId, filter)}`;
    return toSums(rows[0]!);
  }

  async groups(
    tx: Tx,
    tenantId: string | undefined,
    filter: UsageFilter,
    page: { readonly groupBy: Grouping; readonly after?: string | undefined; readonly limit: number },
  ): Promise<GroupRow[]> {
    const after = page.after ?? '';
    return tx.$queryRaw<GroupRow[]>`
      SELECT key, ${SUMS}
      FROM (SELECT (${KEYS[page.groupBy]}) COLLATE "C" AS key, d.* FROM usage_days d WHERE ${where(tenantId, filter)}) AS g
      WHERE key > ${after} GROUP BY key ORDER BY key LIMIT ${page.limit}`;
  }

  /** What people call members, workspaces and tenants. */
  async names(tx: Tx, groupBy: Grouping, keys: readonly string[]): Promise<Map<string, string>> {
    const where = { id: { in: [...keys] } };
    if (groupBy === 'member') {
      const rows = await tx.member.findMany({ where, select: { id: true, externalId: true } });
      return new Map(rows.map((row) => [row.id, row.externalId]));
    }
    if (groupBy !== 'workspace' && groupBy !== 'tenant') return new Map();
    const select = { id: true, name: true };
    const rows =
      groupBy === 'workspace'
        ? await tx.workspace.findMany({ where, select })
        : await tx.tenant.findMany({ where, select });
    return new Map(rows.map((row) => [row.id, row.name]));
  }

  /** Rows of the table itself, in the order of its key. */
  async days(tx: Tx, tenantId: string, range: UsageRange, after: DayRow | undefined, limit: number): Promise<DayRow[]> {
    const from = after
      ? Prisma.sql`AND (d.day, d.member_id, d.workspace_id, d.tier_key, d.provider, d.model)
          > (${after.day}::date, ${after.memberId}, ${after.workspaceId}, ${after.tierKey}, ${after.provider}, ${after.model})`
      : Prisma.empty;
    return tx.$queryRaw<DayRow[]>`
      SELECT to_char(d.day, 'YYYY-MM-DD') AS day, d.member_id AS "memberId", m.external_id AS "externalId",
        d.workspace_id AS "workspaceId", d.tier_key AS "tierKey", d.provider, d.model, d.calls, d.messages,
        d.input_tokens AS "inputTokens", d.output_tokens AS "outputTokens", d.cached_tokens AS "cachedTokens",
        d.cost_micros AS "costMicros", d.unpriced_calls AS "unpricedCalls", d.estimated_calls AS "estimatedCalls"
      FROM usage_days d LEFT JOIN members m ON m.id = d.member_id
      WHERE d.tenant_id = ${tenantId} AND d.day BETWEEN ${range.from}::date AND ${range.to}::date ${from}
      ORDER BY d.day, d.member_id, d.workspace_id, d.tier_key, d.provider, d.model LIMIT ${limit}`;
  }

  async counter(
    tx: Tx,
    tenantId: string,
    scope: CounterRow['scope'],
    scopeId: string,
    day: string,
  ): Promise<CounterRow & { readonly messages: bigint }> {
    const at = new Date(`${day}T00:00:00Z`);
    const key = { tenantId_scope_scopeId_day: { tenantId, scope, scopeId, day: at } };
    const row = await tx.quotaCounter.findUnique({ where: key });
    const { usedTokens = 0n, usedMicros = 0n, leasedTokens = 0n, leasedMicros = 0n } = row ?? {};
    const { messages = 0n, alerted = 0 } = row ?? {};
    return { tenantId, scope, scopeId, day, usedTokens, usedMicros, leasedTokens, leasedMicros, messages, alerted };
  }
}

const where = (tenantId: string | undefined, { from, to, memberId }: UsageFilter): Prisma.Sql => Prisma.sql`
  day BETWEEN ${from}::date AND ${to}::date
  ${tenantId === undefined ? Prisma.empty : Prisma.sql`AND tenant_id = ${tenantId}`}
  ${memberId === undefined ? Prisma.empty : Prisma.sql`AND member_id = ${memberId}`}`;

export const toSums = (row: SumColumns): UsageSums => ({
  calls: Number(row.calls),
  messages: Number(row.messages),
  inputTokens: Number(row.inputTokens),
  outputTokens: Number(row.outputTokens),
  cachedTokens: Number(row.cachedTokens),
  costMicros: Number(row.costMicros),
  unpricedCalls: Number(row.unpricedCalls),
  estimatedCalls: Number(row.estimatedCalls),
});

export const toGroupView = (row: GroupRow, names: ReadonlyMap<string, string>): UsageGroupView => ({
  key: row.key,
  name: names.get(row.key) ?? null,
  ...toSums(row),
});
