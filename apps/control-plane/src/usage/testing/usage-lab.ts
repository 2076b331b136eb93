import type { QuotaAnswer, QuotaAsk, QuotaCall, UsageReceipt, UsageRecordReport } from '#libs/contracts';
import { SortableIds } from '#libs/kernel';
import { freshDatabase } from '#libs/testing';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../http/test-app.fixture.js';
import { IdentityModule } from '../../identity/identity.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsageModule } from '../usage.module.js';

const PROXY = 'test-proxy-credential';

export interface Member {
  readonly memberId: string;
  readonly workspaceId: string;
  readonly agentId: string;
}

/** The usage part of a control plane, with what a proxy would tell it. */
export class UsageLab {
  readonly ids: SortableIds;
  private constructor(readonly test: TestApp) {
    this.ids = new SortableIds(test.clock);
  }

  static async start(): Promise<UsageLab> {
    const modules = [HttpEdgeModule, IdentityModule, TokensModule, UsageModule];
    return new UsageLab(await startTestApp(await freshDatabase(), modules));
  }

  get today(): string {
    return this.test.clock.now().toISOString().slice(0, 10);
  }

  async get(url: string, key: string | undefined, headers: Record<string, string> = {}) {
    const authorization = key ? { authorization: `Bearer ${key}` } : {};
    return this.test.app.inject({ method: 'GET', url, headers: { ...authorization, ...headers } });
  }

  post(url: string, payload: object, bearer: string | undefined = PROXY) {
    const headers = bearer ? { authorization: `Bearer ${bearer}` } : {};
    return this.test.app.inject({ method: 'POST', url, headers, payload });
  }

  /** `{tokensPerDay, costPerDayUsd}` of the tier that every member of the lab has. */
  async limitTier(tenantId: string, limits: object): Promise<void> {
    await this.test.database.query(`UPDATE tiers SET limits = $2::jsonb WHERE tenant_id = $1`, [
      tenantId,
      JSON.stringify(limits),
    ]);
  }

  async limitTenant(tenantId: string, limits: object): Promise<void> {
    await this.test.database.query(`UPDATE tenants SET limits = $2::jsonb WHERE id = $1`, [
      tenantId,
      JSON.stringify(limits),
    ]);
  }

  record(tenantId: string, member: Member, over: Partial<UsageRecordReport> = {}): UsageRecordReport {
    return {
      id: this.ids.next('modelCall'),
      tenantId,
      memberId: member.memberId,
      workspaceId: member.workspaceId,
      agentId: member.agentId,
      tierKey: 'wire',
      taskId: null,
      provider: 'anthropic',
      model: 'claude-x',
      keyOwner: 'platform',
      inputTokens: 70,
      outputTokens: 30,
      cachedTokens: 5,
      costMicros: 440,
      outcome: 'completed',
      estimated: false,
      durationMs: 1200,
      at: this.test.clock.now().toISOString(),
      leaseId: null,
      ...over,
    };
  }

  async report(...records: UsageRecordReport[]): Promise<UsageReceipt> {
    const answer = await this.post('/internal/usage', { records, signals: [] });
    if (answer.statusCode !== 200) throw new Error(answer.body);
    return answer.json<UsageReceipt>();
  }

  ask(member: Member, tokens: number, over: Partial<QuotaAsk> = {}): QuotaAsk {
    const nothing = { tokens: 0, micros: 0 };
    return {
      leaseId: this.ids.next('quotaLease'),
      agentId: member.agentId,
      day: this.today,
      granted: nothing,
      returned: nothing,
      atLeast: { tokens, micros: 0 },
      need: { tokens, micros: 0 },
      ahead: nothing,
      ...over,
    };
  }

  async lease(call: Partial<QuotaCall>): Promise<QuotaAnswer> {
    const whole = { broker: 'brk_1', boot: 'one', asks: [], renew: [], returns: [], forgetFormer: false, ...call };
    const answer = await this.post('/internal/quota/leases', whole);
    if (answer.statusCode !== 200) throw new Error(answer.body);
    return answer.json<QuotaAnswer>();
  }

  async counter(
    scopeId: string,
  ): Promise<{ used: number; leased: number; micros: number; leasedMicros: number; messages: number }> {
    const rows = await this.test.database.query<
      Record<'used' | 'leased' | 'micros' | 'leasedMicros' | 'messages', string>
    >(
      `SELECT used_tokens AS used, leased_tokens AS leased, used_micros AS micros, leased_micros AS "leasedMicros", messages
       FROM quota_counters WHERE scope_id = $1 AND day = $2::date`,
      [scopeId, this.today],
    );
    const row = rows[0];
    const number = (value: string | undefined) => Number(value ?? 0);
    return {
      used: number(row?.used),
      leased: number(row?.leased),
      micros: number(row?.micros),
      leasedMicros: number(row?.leasedMicros),
      messages: number(row?.messages),
    };
  }

  /** Rows where the sums of days differ from the records they are made of, or the counters from either. */
  async differences(): Promise<object[]> {
    return this.test.database.query(`
      WITH records AS (
        SELECT (at AT TIME ZONE 'UTC')::date AS day, tenant_id, member_id, workspace_id, tier_key, provider, model,
          count(*) AS calls, count(*) FILTER (WHERE message) AS messages, sum(input_tokens) AS i, sum(output_tokens) AS o,
          sum(cached_tokens) AS c, coalesce(sum(cost_micros), 0) AS m, count(*) FILTER (WHERE cost_micros IS NULL) AS u,
          count(*) FILTER (WHERE estimated) AS e
        FROM usage_records GROUP BY 1, 2, 3, 4, 5, 6, 7),
      days AS (
        SELECT day, tenant_id, member_id, workspace_id, tier_key, provider, model, calls, messages, input_tokens::numeric,
          output_tokens::numeric, cached_tokens::numeric, cost_micros::numeric, unpriced_calls, estimated_calls FROM usage_days),
      used AS (
        SELECT tenant_id, member_id AS id, day, sum(input_tokens + output_tokens) AS t, sum(cost_micros) AS m FROM usage_days GROUP BY 1, 2, 3
        UNION ALL SELECT tenant_id, tenant_id, day, sum(input_tokens + output_tokens), sum(cost_micros) FROM usage_days GROUP BY 1, 2, 3),
      promised AS (
        SELECT member_id AS id, day, sum(greatest(0, granted_tokens - returned_tokens - spent_tokens)) AS t FROM quota_leases GROUP BY 1, 2
        UNION ALL SELECT tenant_id, day, sum(greatest(0, granted_tokens - returned_tokens - spent_tokens)) FROM quota_leases GROUP BY 1, 2)
      SELECT 'days' AS what, d::text AS row FROM ((TABLE records EXCEPT TABLE days) UNION ALL (TABLE days EXCEPT TABLE records)) d
      UNION ALL
      SELECT 'counters', q::text FROM quota_counters q LEFT JOIN used ON used.id = q.scope_id AND used.day = q.day
        WHERE q.used_tokens <> coalesce(used.t, 0) OR q.used_micros <> coalesce(used.m, 0)
      UNION ALL
      SELECT 'leased', q::text FROM quota_counters q LEFT JOIN promised p ON p.id = q.scope_id AND p.day = q.day
        WHERE q.leased_tokens <> coalesce(p.t, 0)`);
  }

  close(): Promise<void> {
    return this.test.close();
  }
}
