import { Injectable } from '@nestjs/common';
import type { UsageRecordReport } from '#libs/contracts';
import type { Tx } from '#libs/database';

/** Adds records and their sums. Works for all tenants: only proxies report, in the system's role. */
@Injectable()
export class UsageIntakeRepository {
  /** One report of a tenant at a time until the transaction ends: their counters are the same rows anyway. */
  async lockTenants(tx: Tx, tenantIds: readonly string[]): Promise<void> {
    await tx.$executeRaw`
      SELECT pg_advisory_xact_lock(hashtextextended('usage:' || id, 0))
      FROM (SELECT unnest(${tenantIds}::text[]) AS id ORDER BY 1) AS tenants`;
  }

  /** The ids that were not known before. The first record of a task counts as its message. */
  async insert(tx: Tx, records: readonly UsageRecordReport[]): Promise<Set<string>> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      INSERT INTO usage_records (id, tenant_id, member_id, workspace_id, agent_id, tier_key, task_id, provider, model,
        key_owner, input_tokens, output_tokens, cached_tokens, cost_micros, outcome, estimated, duration_ms, at, message)
      SELECT r.id, r."tenantId", r."memberId", r."workspaceId", r."agentId", r."tierKey", r."taskId", r.provider, r.model,
        r."keyOwner", r."inputTokens", r."outputTokens", r."cachedTokens", r."costMicros", r.outcome, r.estimated,
        r."durationMs", r.at,
        r."taskId" IS NOT NULL
          AND row_number() OVER (PARTITION BY r."tenantId", r."taskId" ORDER BY r.at, r.id) = 1
          AND NOT EXISTS (SELECT 1 FROM usage_records o WHERE o.tenant_id = r."tenantId" AND o.task_id = r."taskId")
      FROM jsonb_to_recordset(${JSON.stringify(records)}::jsonb) AS r(id text, "tenantId" text, "memberId" text,
        "workspaceId" text, "agentId" text, "tierKey" text, "taskId" text, provider text, model text, "keyOwner" text,
        "inputTokens" bigint, "outputTokens" bigint, "cachedTokens" bigint, "costMicros" bigint, outcome text,
        estimated boolean, "durationMs" int, at timestamptz)
      ORDER BY r.id
      ON CONFLICT (id) DO NOTHING
      RETURNING id`;
    return new Set(rows.map((row) => row.id));
  }

  /** Adds these records to the sums of their days. */
  async addToDays(tx: Tx, ids: readonly string[]): Promise<void> {
    await tx.$executeRaw`
      INSERT INTO usage_days AS d (day, tenant_id, member_id, workspace_id, tier_key, provider, model, calls, messages,
        input_tokens, output_tokens, cached_tokens, cost_micros, unpriced_calls, estimated_calls)
      SELECT (at AT TIME ZONE 'UTC')::date, tenant_id, member_id, workspace_id, tier_key, provider, model, count(*),
        count(*) FILTER (WHERE message), sum(input_tokens), sum(output_tokens), sum(cached_tokens),
        coalesce(sum(cost_micros), 0), count(*) FILTER (WHERE cost_micros IS NULL), count(*) FILTER (WHERE estimated)
      FROM usage_records WHERE id = ANY(${ids}::text[])
      GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
      ON CONFLICT (day, tenant_id, member_id, workspace_id, tier_key, provider, model) DO UPDATE SET
        calls = d.calls + excluded.calls, messages = d.messages + excluded.messages,
        input_tokens = d.input_tokens + excluded.input_tokens, output_tokens = d.output_tokens + excluded.output_tokens,
        cached_tokens = d.cached_tokens + excluded.cached_tokens, cost_micros = d.cost_micros + excluded.cost_micros,
        unpriced_calls = d.unpriced_calls + excluded.unpriced_calls,
        estimated_calls = d.estimated_calls + excluded.estimated_calls`;
  }

  /** What these records used, by scope and day: what the counters rise by. */
  async usedBy(tx: Tx, ids: readonly string[]): Promise<UsedByScope[]> {
    return tx.$queryRaw<UsedByScope[]>`
      SELECT tenant_id AS "tenantId", s.scope, s.id AS "scopeId", to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
        sum(input_tokens + output_tokens)::bigint AS tokens, coalesce(sum(cost_micros), 0)::bigint AS micros,
        count(*) FILTER (WHERE message) AS messages
      FROM usage_records, LATERAL (VALUES ('member', member_id), ('tenant', tenant_id)) AS s(scope, id)
      WHERE usage_records.id = ANY(${ids}::text[])
      GROUP BY 1, 2, 3, 4`;
  }
}

export interface UsedByScope {
  readonly tenantId: string;
  readonly scope: 'member' | 'tenant';
  readonly scopeId: string;
  readonly day: string;
  readonly tokens: bigint;
  readonly micros: bigint;
  readonly messages: bigint;
}
