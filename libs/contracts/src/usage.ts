import type { ProviderName } from './gateway.js';

/** completed: a whole answer. aborted: the agent went away. failed: no answer. cut-off: the answer, or its counting, broke off. */
export const CALL_OUTCOMES = ['completed', 'aborted', 'failed', 'cut-off'] as const;
export type CallOutcome = (typeof CALL_OUTCOMES)[number];

/** Whose provider key paid for a call. */
export const KEY_OWNERS = ['platform', 'tenant', 'member'] as const;
export type KeyOwner = (typeof KEY_OWNERS)[number];

/** Set by a gateway on its model calls: the task they belong to. The broker keeps it to itself. */
export const TASK_HEADER = 'x-wirebot-task';

/** One model call. Whatever happens to the two processes between, it is counted once: by its id. */
export interface UsageRecordReport {
  readonly id: string;
  readonly tenantId: string;
  readonly memberId: string;
  readonly workspaceId: string;
  readonly agentId: string;
  readonly tierKey: string;
  readonly taskId: string | null;
  readonly provider: ProviderName;
  readonly model: string;
  readonly keyOwner: KeyOwner;
  /** All of the input, what came from a cache included. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input: read from the provider's cache. */
  readonly cachedTokens: number;
  /** What it costs the platform, in millionths of a US dollar: 0 with somebody else's key, null without a known price. */
  readonly costMicros: number | null;
  readonly outcome: CallOutcome;
  readonly estimated: boolean;
  readonly durationMs: number;
  /** When the call began, ISO 8601: decides the day it counts on. */
  readonly at: string;
  /** The lease that it was reserved from; null: nothing was reserved. */
  readonly leaseId: string | null;
}

export const TRUST_SIGNAL_KINDS = ['foreign-agent', 'revoked-token', 'rate-limit', 'quota-probe'] as const;
export type TrustSignalKind = (typeof TRUST_SIGNAL_KINDS)[number];

/** Something suspicious that a proxy saw of a member, counted since the last report. */
export interface TrustSignalReport {
  readonly tenantId: string;
  readonly memberId: string;
  readonly kind: TrustSignalKind;
  readonly count: number;
}

/** `POST /internal/usage` (proxy credential) -> UsageReceipt. May be repeated: known records change nothing. */
export interface UsageBatch {
  readonly records: readonly UsageRecordReport[];
  readonly signals: readonly TrustSignalReport[];
}

export interface UsageReceipt {
  readonly accepted: number;
  readonly known: number;
}

/** Tokens, and millionths of a US dollar. */
export interface QuotaAmount {
  readonly tokens: number;
  readonly micros: number;
}

/** A broker's wish for (more of) one member's day. */
export interface QuotaAsk {
  /** The broker's own id of the lease: one per member, day and life of the broker. */
  readonly leaseId: string;
  readonly agentId: string;
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  /** All that this lease was granted and returned so far, as the broker knows it: an answer that got lost is not granted twice. */
  readonly granted: QuotaAmount;
  readonly returned: QuotaAmount;
  /** Less than this is of no use now. */
  readonly atLeast: QuotaAmount;
  /** What waits for it. */
  readonly need: QuotaAmount;
  /** Beyond that, in advance; granted sparingly when little is left. */
  readonly ahead: QuotaAmount;
}

/** exhausted: not before the next day. reserved: others hold the rest and may give some back. */
export type QuotaRefusal = 'exhausted' | 'reserved';

export interface QuotaScopeState {
  readonly scope: 'member' | 'tenant';
  readonly unit: 'tokens' | 'micros';
  readonly limit: number;
  readonly used: number;
  /** Promised to brokers and not spent yet. */
  readonly leased: number;
}

export interface QuotaGrant {
  readonly leaseId: string;
  /** `gone`: given back to the counters already; the broker begins a new lease. `unknown`: no such agent. */
  readonly status: 'granted' | 'refused' | 'gone' | 'unknown';
  /** All that this lease was granted so far. */
  readonly granted: QuotaAmount;
  /** Little is left: give back what is not needed soon. */
  readonly scarce: boolean;
  readonly refusal: QuotaRefusal | null;
  /** The limit that stands in the way, when it was refused. */
  readonly limitedBy: QuotaScopeState | null;
}

/** `POST /internal/quota/leases` (proxy credential) -> QuotaAnswer. */
export interface QuotaCall {
  readonly broker: string;
  readonly boot: string;
  readonly asks: readonly QuotaAsk[];
  /** Leases that go on. */
  readonly renew: readonly string[];
  /** What was returned of leases so far, in all. */
  readonly returns: readonly { readonly leaseId: string; readonly returned: QuotaAmount }[];
  /** Everything that former lives of this broker held comes back: their journal is reported. */
  readonly forgetFormer: boolean;
}

export interface QuotaAnswer {
  /** How long what was granted or renewed may be spent. */
  readonly validSeconds: number;
  readonly grants: readonly QuotaGrant[];
  /** Of the renewed: those that were given back to the counters already. */
  readonly gone: readonly string[];
}

/** Sums over calls. */
export interface UsageSums {
  readonly calls: number;
  /** Distinct tasks: what members asked for. */
  readonly messages: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  /** Millionths of a US dollar. Calls in `unpricedCalls` are not in it. */
  readonly costMicros: number;
  readonly unpricedCalls: number;
  readonly estimatedCalls: number;
}

export const USAGE_GROUPS = ['day', 'member', 'workspace', 'tier', 'model'] as const;
export type UsageGroupBy = (typeof USAGE_GROUPS)[number];

export interface UsageGroupView extends UsageSums {
  /** The day, the id of member or workspace, the tier's key, or `provider/model`. */
  readonly key: string;
  /** The member's `externalId`, or the workspace's name; null otherwise. */
  readonly name: string | null;
}

/** `GET /v1/usage`: days are UTC and both included. */
export interface UsageView {
  readonly from: string;
  readonly to: string;
  readonly groupBy: UsageGroupBy | 'tenant';
  readonly totals: UsageSums;
  readonly items: readonly UsageGroupView[];
  readonly nextCursor: string | null;
}

export interface QuotaUnitView {
  /** Null: no limit. */
  readonly limit: number | null;
  readonly used: number;
  /** Set aside for calls in flight and those that may come next. */
  readonly reserved: number;
  readonly remaining: number | null;
}

/** What may still be used today. */
export interface QuotaTodayView {
  readonly day: string;
  readonly resetsAt: string;
  readonly messages: number;
  readonly tokens: QuotaUnitView;
  readonly costMicros: QuotaUnitView;
}

/** `GET /v1/members/{externalId}/usage` and `GET /v1/me/usage`. */
export interface MemberUsageView {
  readonly member: { readonly id: string; readonly externalId: string; readonly tier: string };
  readonly today: QuotaTodayView;
  readonly from: string;
  readonly to: string;
  readonly totals: UsageSums;
  readonly days: readonly UsageGroupView[];
}
