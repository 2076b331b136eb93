import type { AgentRoute, CallOutcome, KeyOwner, UsageRecordReport } from '#libs/contracts';
import { costMicrosOf } from '#libs/providers';
import type { ForwardFault } from '../http/forward-fault.js';
import type { ModelProvider } from '../proxy.metrics.js';
import { type CallEstimate, ESTIMATE } from './call-estimate.js';
import { allInput, type Counts } from './usage-counts.js';
import type { UsageReading } from './usage-tap.js';

/** How a call ended, as the broker saw it. */
export interface CallEnd {
  readonly fault: ForwardFault | 'key-refused' | undefined;
  /** Of the provider's answer; undefined: none began. */
  readonly status: number | undefined;
  readonly reading: UsageReading | undefined;
  readonly durationMs: number;
}

export interface CallFacts {
  readonly id: string;
  readonly agent: AgentRoute;
  readonly provider: ModelProvider;
  readonly keyOwner: KeyOwner;
  readonly taskId: string | null;
  readonly leaseId: string | null;
  readonly at: string;
  readonly estimate: CallEstimate;
}

/** What the call is counted as when nobody lives to see its end: all that was set aside for it. */
export function openRecord(facts: CallFacts): UsageRecordReport {
  const { inputTokens, reserve, model } = facts.estimate;
  const reserved = facts.leaseId !== null;
  const input = reserved ? Math.min(reserve.tokens, inputTokens) : inputTokens;
  const output = reserved ? reserve.tokens - input : 0;
  const cost = costMicrosOf(model, plain(input, output));
  const known = cost === null ? null : Math.max(cost, reserved ? reserve.micros : 0);
  return record(facts, model, plain(input, output), { outcome: 'cut-off', estimated: true, durationMs: 0 }, known);
}

export function endRecord(facts: CallFacts, end: CallEnd): UsageRecordReport {
  const model = end.reading?.model ?? facts.estimate.model;
  const { counts, estimated } = countsOf(facts, end);
  const { durationMs } = end;
  // What took nothing costs nothing, at any price.
  const cost = allInput(counts) + counts.output === 0 ? 0 : costMicrosOf(model, counts);
  return record(facts, model, counts, { outcome: outcomeOf(end), estimated, durationMs }, cost);
}

function outcomeOf({ fault, status, reading }: CallEnd): CallOutcome {
  if (fault === 'client-gone') return 'aborted';
  if (fault === 'broken') return 'cut-off';
  if (fault || status === undefined || status >= 300) return 'failed';
  // A connection that closes in order without the provider's own end: the answer only looks whole.
  return reading?.ended && !reading.failed ? 'completed' : 'cut-off';
}

/** What the provider counted; what it did not get to tell is estimated from what went by. */
function countsOf({ estimate }: CallFacts, end: CallEnd): { counts: Counts; estimated: boolean } {
  const { reading, fault, status } = end;
  if (reading?.final) return { counts: reading, estimated: false };
  // Answered without a model's work, or never delivered: a provider asks nothing for these.
  const nothing = status === undefined ? fault !== 'client-gone' && fault !== 'timeout' : status >= 300;
  if (nothing) return { counts: plain(0, 0), estimated: false };
  const output = Math.max(reading?.output ?? 0, Math.ceil((reading?.written ?? 0) / ESTIMATE.bytesPerToken));
  if (reading?.inputKnown) return { counts: { ...reading, output }, estimated: true };
  return { counts: plain(estimate.inputTokens, output), estimated: true };
}

const plain = (input: number, output: number): Counts => ({
  input,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteHour: 0,
  output,
});

function record(
  facts: CallFacts,
  model: string,
  counts: Counts,
  end: Pick<UsageRecordReport, 'outcome' | 'estimated' | 'durationMs'>,
  cost: number | null,
): UsageRecordReport {
  const { agent, id, taskId, provider, keyOwner, leaseId, at } = facts;
  const { tenantId, memberId, workspaceId, agentId, tierKey } = agent;
  return {
    id,
    tenantId,
    memberId,
    workspaceId,
    agentId,
    tierKey,
    taskId,
    provider,
    model,
    keyOwner,
    inputTokens: allInput(counts),
    outputTokens: counts.output,
    cachedTokens: counts.cacheRead,
    costMicros: keyOwner === 'platform' ? cost : 0,
    ...end,
    at,
    leaseId,
  };
}
