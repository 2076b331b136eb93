import { type AgentRoute, TASK_HEADER } from '#libs/contracts';
import { delay, type Ids } from '#libs/kernel';
import type { RouteTable } from '#libs/routing';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyLength } from '../http/request-check.js';
import { readHead, type RequestHead } from '../http/request-head.js';
import { LIMITS } from '../proxy.limits.js';
import type { ModelProvider, ProxyMetrics } from '../proxy.metrics.js';
import type { SignalCounts } from '../signal-counts.js';
import { type CallEstimate, estimateCall } from './call-estimate.js';
import { type CallEnd, type CallFacts, endRecord, openRecord } from './call-record.js';
import type { BrokerProblem } from './provider-api.js';
import type { KeyHolder } from './provider-keys.js';
import type { QuotaRefused, Reservation } from './quota/quota-account.js';
import type { OutageAllowance } from './quota/outage-allowance.js';
import { isRefused, type QuotaLedger } from './quota/quota-ledger.js';
import { refusalHeaders } from './quota/refusal-headers.js';
import { JournalUnavailable, type UsageJournal } from './usage/usage-journal.js';

export interface MeterParts {
  readonly table: RouteTable;
  readonly ledger: QuotaLedger;
  readonly outage: OutageAllowance;
  /** The control plane has not been heard of for a while. */
  readonly away: () => boolean;
  readonly journal: UsageJournal;
  readonly signals: SignalCounts;
  readonly metrics: ProxyMetrics;
  readonly ids: Ids;
}

/** A call that is to be made, and counted. */
interface Wanted {
  readonly agent: AgentRoute;
  readonly provider: ModelProvider;
  readonly holder: KeyHolder;
}

/** A call that may not be made. */
export interface MeterRefusal {
  readonly problem: BrokerProblem;
  readonly headers: Record<string, string>;
}

/** A call waits this long for a control plane that does not answer and is not known to be away, looking again this often. */
const QUOTA_PATIENCE_MS = 10_000;
const QUOTA_AGAIN_MS = 250;
const TASK = /^[\w-]{1,64}$/;

/** Before a call: quota is set aside and the call is written down. After it: what it took. */
export class CallMeter {
  constructor(private readonly parts: MeterParts) {}

  /** Undefined: the client went away meanwhile and nothing is to be done. */
  async begin(
    req: IncomingMessage,
    res: ServerResponse,
    wanted: Wanted,
  ): Promise<MeteredCall | MeterRefusal | undefined> {
    const limits = this.#limitsFor(wanted);
    const length = bodyLength(req);
    // Unread, bodies of members without limits stream through as they come.
    const head = limits === undefined ? undefined : await readHead(req, LIMITS.readBody);
    if (res.destroyed) return undefined;
    const body = head?.complete ? head.bytes : undefined;
    const estimate = estimateCall(body, body?.length ?? length, wanted.agent.model.name);
    const reservation = limits === undefined ? undefined : await this.#reserve(wanted, estimate, limits, res);
    if (reservation && isRefused(reservation)) return this.#refused(wanted.agent, reservation);
    if (res.destroyed) {
      reservation?.settle({ tokens: 0, micros: 0 });
      return undefined;
    }
    return this.#write(req, wanted, estimate, reservation, head);
  }

  /** What stands in the routes, as one text; undefined: nothing limits this call. */
  #limitsFor({ agent, holder }: Wanted): string | undefined {
    const tenant = this.parts.table.tenant(agent.tenantId)?.limits;
    const tokens = [agent.limits.tokensPerDay, tenant?.tokensPerDay ?? null];
    const cost = [agent.limits.costPerDayMicros, tenant?.costPerDayMicros ?? null];
    // A call with somebody's own key costs the platform nothing.
    const relevant = holder === 'platform' ? [...tokens, ...cost] : tokens;
    return relevant.every((limit) => limit === null) ? undefined : [...tokens, ...cost].join('/');
  }

  async #reserve(
    { agent, holder }: Wanted,
    { reserve }: CallEstimate,
    limits: string,
    res: ServerResponse,
  ): Promise<Reservation | QuotaRefused> {
    const amount = holder === 'platform' ? reserve : { tokens: reserve.tokens, micros: 0 };
    for (const end = performance.now() + QUOTA_PATIENCE_MS; ; await delay(QUOTA_AGAIN_MS)) {
      const result = await this.parts.ledger.reserve(agent, amount, limits);
      if (!isRefused(result) || result.why !== 'unavailable') return result;
      // Only when it is away: one that is merely slow may have promised the same tokens to somebody else.
      if (this.parts.away())
        return this.parts.outage.take(agent, this.parts.table.tenant(agent.tenantId)?.limits, amount) ?? result;
      if (res.destroyed || performance.now() >= end) return result;
    }
  }

  async #write(
    req: IncomingMessage,
    { agent, provider, holder }: Wanted,
    estimate: CallEstimate,
    reservation: Reservation | undefined,
    head: RequestHead | undefined,
  ): Promise<MeteredCall | MeterRefusal> {
    const facts: CallFacts = {
      id: this.parts.ids.next('modelCall'),
      agent,
      provider,
      keyOwner: holder,
      taskId: taskOf(req),
      leaseId: reservation?.leaseId ?? null,
      at: new Date().toISOString(),
      estimate,
    };
    try {
      await this.parts.journal.begin(openRecord(facts));
    } catch (error) {
      reservation?.settle({ tokens: 0, micros: 0 });
      if (!(error instanceof JournalUnavailable)) throw error;
      this.parts.metrics.modelCallRefused('usage-unavailable');
      return { problem: 'usage-unavailable', headers: { 'retry-after': '10' } };
    }
    return new MeteredCall(facts, this.parts.journal, reservation, head);
  }

  #refused(agent: AgentRoute, refused: QuotaRefused): MeterRefusal {
    if (refused.why === 'exhausted' && refused.told) {
      this.parts.signals.note(agent.tenantId, agent.memberId, 'quota-probe');
    }
    const problem = `quota-${refused.why}` as const;
    this.parts.metrics.modelCallRefused(problem);
    return { problem, headers: refusalHeaders(refused, new Date()) };
  }
}

/** A call that is written down and paid for; ends once. */
export class MeteredCall {
  readonly #began = performance.now();
  #ended = false;

  constructor(
    private readonly facts: CallFacts,
    private readonly journal: UsageJournal,
    private readonly reservation: Reservation | undefined,
    /** What was read of the body already: it goes on first. */
    readonly head: RequestHead | undefined,
  ) {}

  end(end: Omit<CallEnd, 'durationMs'>): { readonly inputTokens: number; readonly outputTokens: number } {
    const record = endRecord(this.facts, { ...end, durationMs: Math.round(performance.now() - this.#began) });
    const { inputTokens, outputTokens, costMicros } = record;
    if (this.#ended) return { inputTokens: 0, outputTokens: 0 };
    this.#ended = true;
    this.journal.end(record);
    this.reservation?.settle({ tokens: inputTokens + outputTokens, micros: costMicros ?? 0 });
    return { inputTokens, outputTokens };
  }
}

function taskOf(req: IncomingMessage): string | null {
  const value = req.headers[TASK_HEADER];
  return typeof value === 'string' && TASK.test(value) ? value : null;
}
