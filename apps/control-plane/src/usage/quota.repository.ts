import { Injectable } from '@nestjs/common';
import type { QuotaAsk } from '#libs/contracts';
import type { Tx } from '#libs/database';
import type { LeaseRow, Pair } from './quota-grant.js';

/** Whose day an agent spends, and what the two limits are made of. */
export interface QuotaHolder {
  readonly tenantId: string;
  readonly memberId: string;
  readonly tierLimits: unknown;
  readonly tenantLimits: unknown;
}

export interface CounterRow {
  readonly tenantId: string;
  readonly scope: 'member' | 'tenant';
  readonly scopeId: string;
  readonly day: string;
  readonly usedTokens: bigint;
  readonly usedMicros: bigint;
  readonly leasedTokens: bigint;
  readonly leasedMicros: bigint;
  readonly alerted: number;
}

/** What a counter changes by. */
export interface CounterChange {
  readonly tenantId: string;
  readonly scope: 'member' | 'tenant';
  readonly scopeId: string;
  readonly day: string;
  readonly usedTokens: bigint;
  readonly usedMicros: bigint;
  readonly leasedTokens: bigint;
  readonly leasedMicros: bigint;
  readonly messages: bigint;
}

type LeaseColumns = LeaseRow & { readonly tenantId: string; readonly memberId: string; readonly day: string };
export type StoredLease = LeaseColumns;

/**
 * Counters and leases. Everybody locks in one order - leases by id, counters of members, counters of tenants - so that
 * reports, grants and returns never wait for each other in a circle.
 */
@Injectable()
export class QuotaRepository {
  async holder(tx: Tx, agentId: string): Promise<QuotaHolder | undefined> {
    const rows = await tx.$queryRaw<QuotaHolder[]>`
      SELECT a.tenant_id AS "tenantId", a.member_id AS "memberId", t.limits AS "tierLimits", n.limits AS "tenantLimits"
      FROM agents a
      JOIN members m ON m.id = a.member_id
      JOIN tenants n ON n.id = a.tenant_id
      LEFT JOIN tiers t ON t.tenant_id = m.tenant_id AND t.key = m.tier_key
      WHERE a.id = ${agentId}`;
    return rows[0];
  }

  /** The two counters as they are now, without locking them; one that has not begun is not there. */
  async peek(tx: Tx, { tenantId, memberId }: QuotaHolder, day: string): Promise<CounterRow[]> {
    return tx.$queryRaw<CounterRow[]>`
      SELECT tenant_id AS "tenantId", scope, scope_id AS "scopeId", to_char(day, 'YYYY-MM-DD') AS day,
        used_tokens AS "usedTokens", used_micros AS "usedMicros", leased_tokens AS "leasedTokens",
        leased_micros AS "leasedMicros", alerted
      FROM quota_counters WHERE tenant_id = ${tenantId} AND day = ${day}::date
        AND ((scope = 'member' AND scope_id = ${memberId}) OR (scope = 'tenant' AND scope_id = ${tenantId}))`;
  }

  async findLease(tx: Tx, id: string): Promise<LeaseRow | undefined> {
    return (await tx.quotaLease.findUnique({ where: { id } })) ?? undefined;
  }

  /** The lease, locked and renewed: a new one when the broker says that it holds nothing of it yet. */
  async takeLease(
    tx: Tx,
    ask: QuotaAsk,
    holder: QuotaHolder,
    life: { readonly broker: string; readonly boot: string; readonly expiresAt: Date },
  ): Promise<LeaseRow | undefined> {
    if (ask.granted.tokens === 0 && ask.granted.micros === 0) {
      await tx.$executeRaw`
        INSERT INTO quota_leases (id, tenant_id, member_id, broker, boot, day, expires_at)
        VALUES (${ask.leaseId}, ${holder.tenantId}, ${holder.memberId}, ${life.broker}, ${life.boot}, ${ask.day}::date, ${life.expiresAt})
        ON CONFLICT (id) DO NOTHING`;
    }
    const rows = await tx.$queryRaw<LeaseRow[]>`
      UPDATE quota_leases SET expires_at = greatest(expires_at, ${life.expiresAt})
      WHERE id = ${ask.leaseId} AND member_id = ${holder.memberId} AND broker = ${life.broker} AND day = ${ask.day}::date
      RETURNING id, granted_tokens AS "grantedTokens", granted_micros AS "grantedMicros",
        returned_tokens AS "returnedTokens", returned_micros AS "returnedMicros",
        spent_tokens AS "spentTokens", spent_micros AS "spentMicros"`;
    return rows[0];
  }

  async lockLeases(tx: Tx, ids: readonly string[]): Promise<StoredLease[]> {
    return tx.$queryRaw<StoredLease[]>`
      SELECT id, tenant_id AS "tenantId", member_id AS "memberId", to_char(day, 'YYYY-MM-DD') AS day,
        granted_tokens AS "grantedTokens", granted_micros AS "grantedMicros",
        returned_tokens AS "returnedTokens", returned_micros AS "returnedMicros",
        spent_tokens AS "spentTokens", spent_micros AS "spentMicros"
      FROM quota_leases WHERE id = ANY(${ids}::text[]) ORDER BY id FOR UPDATE`;
  }

  /** Adds to what leases were granted, returned and spent. */
  async changeLeases(
    tx: Tx,
    changes: readonly {
      readonly id: string;
      readonly granted?: Pair;
      readonly returned?: Pair;
      readonly spent?: Pair;
    }[],
  ): Promise<void> {
    const rows = changes.map(({ id, granted, returned, spent }) => ({
      id,
      gt: text(granted?.tokens),
      gm: text(granted?.micros),
      rt: text(returned?.tokens),
      rm: text(returned?.micros),
      st: text(spent?.tokens),
      sm: text(spent?.micros),
    }));
    await tx.$executeRaw`
      UPDATE quota_leases l SET
        granted_tokens = granted_tokens + gt, granted_micros = granted_micros + gm,
        returned_tokens = returned_tokens + rt, returned_micros = returned_micros + rm,
        spent_tokens = spent_tokens + st, spent_micros = spent_micros + sm
      FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        AS c(id text, gt bigint, gm bigint, rt bigint, rm bigint, st bigint, sm bigint)
      WHERE l.id = c.id`;
  }

  /** Locks counters (which begin at 0) and adds to them; answers them as they are then. */
  async change(tx: Tx, changes: readonly CounterChange[]): Promise<CounterRow[]> {
    const rows = changes.map(({ usedTokens, usedMicros, leasedTokens, leasedMicros, messages, ...key }) => ({
      ...key,
      ut: text(usedTokens),
      um: text(usedMicros),
      lt: text(leasedTokens),
      lm: text(leasedMicros),
      ms: text(messages),
    }));
    return tx.$queryRaw<CounterRow[]>`
      INSERT INTO quota_counters AS q (tenant_id, scope, scope_id, day, used_tokens, used_micros, leased_tokens,
        leased_micros, messages)
      SELECT c."tenantId", c.scope, c."scopeId", c.day, c.ut, c.um, c.lt, c.lm, c.ms
      FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS c("tenantId" text, scope text, "scopeId" text, day date,
        ut bigint, um bigint, lt bigint, lm bigint, ms bigint)
      ORDER BY c.scope, c."tenantId", c."scopeId", c.day
      ON CONFLICT (tenant_id, scope, scope_id, day) DO UPDATE SET
        used_tokens = q.used_tokens + excluded.used_tokens, used_micros = q.used_micros + excluded.used_micros,
        leased_tokens = q.leased_tokens + excluded.leased_tokens, leased_micros = q.leased_micros + excluded.leased_micros,
        messages = q.messages + excluded.messages
      RETURNING tenant_id AS "tenantId", scope, scope_id AS "scopeId", to_char(day, 'YYYY-MM-DD') AS day,
        used_tokens AS "usedTokens", used_micros AS "usedMicros", leased_tokens AS "leasedTokens",
        leased_micros AS "leasedMicros", alerted`;
  }

  /** True for the one caller that raises it. */
  async raiseAlert(tx: Tx, counter: CounterRow, level: number): Promise<boolean> {
    const changed = await tx.$executeRaw`
      UPDATE quota_counters SET alerted = ${level}
      WHERE tenant_id = ${counter.tenantId} AND scope = ${counter.scope} AND scope_id = ${counter.scopeId}
        AND day = ${counter.day}::date AND alerted < ${level}`;
    return changed > 0;
  }

  /** Limits as they are stored, of members (their tier's) and tenants. */
  async storedLimits(tx: Tx, scopeIds: readonly string[]): Promise<Map<string, unknown>> {
    const rows = await tx.$queryRaw<{ id: string; limits: unknown }[]>`
      SELECT m.id, t.limits FROM members m JOIN tiers t ON t.tenant_id = m.tenant_id AND t.key = m.tier_key
        WHERE m.id = ANY(${scopeIds}::text[])
      UNION ALL SELECT id, limits FROM tenants WHERE id = ANY(${scopeIds}::text[])`;
    return new Map(rows.map((row) => [row.id, row.limits]));
  }

  /** Of this broker's leases: those that are there. */
  async renew(tx: Tx, ids: readonly string[], broker: string, expiresAt: Date): Promise<Set<string>> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      WITH own AS (SELECT id FROM quota_leases WHERE id = ANY(${ids}::text[]) AND broker = ${broker} ORDER BY id FOR UPDATE)
      UPDATE quota_leases l SET expires_at = greatest(expires_at, ${expiresAt}) FROM own WHERE l.id = own.id RETURNING l.id`;
    return new Set(rows.map((row) => row.id));
  }

  async formerLeases(tx: Tx, broker: string, boot: string, limit: number): Promise<string[]> {
    const where = { broker, boot: { not: boot } };
    const rows = await tx.quotaLease.findMany({ where, select: { id: true }, orderBy: { id: 'asc' }, take: limit });
    return rows.map((row) => row.id);
  }

  async expiredLeases(tx: Tx, before: Date, limit: number): Promise<string[]> {
    const where = { expiresAt: { lt: before } };
    const rows = await tx.quotaLease.findMany({ where, select: { id: true }, orderBy: { id: 'asc' }, take: limit });
    return rows.map((row) => row.id);
  }

  async deleteLeases(tx: Tx, ids: readonly string[]): Promise<void> {
    await tx.quotaLease.deleteMany({ where: { id: { in: [...ids] } } });
  }
}

/** JSON has no big integers; PostgreSQL reads these texts as such. */
const text = (value: bigint | undefined): string => String(value ?? 0n);
