import type { AgentRoute } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders } from 'undici/types/header.js';
import { forward } from '../http/forward.js';
import type { ForwardFault } from '../http/forward-fault.js';
import { requestHeaders } from '../http/headers.js';
import { discardBody } from '../http/problem.js';
import { bodyLength, checkFraming, targetOf } from '../http/request-check.js';
import { nextRequestId } from '../http/request-id.js';
import type { UpstreamPools } from '../http/upstream-pools.js';
import type { ProxyConfig } from '../proxy.config.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { ModelProvider, ProxyMetrics } from '../proxy.metrics.js';
import { agentOfCall } from './broker-credential.js';
import { type CallMeter, MeteredCall } from './call-meter.js';
import type { CallEnd } from './call-record.js';
import {
  type BrokerProblem,
  callOf,
  keyHeader,
  providerConfig,
  type ProviderCall,
  providerError,
  providerOfPath,
} from './provider-api.js';
import type { ChosenKey, KeyHolder, ProviderKeys } from './provider-keys.js';
import { UsageTap } from './usage-tap.js';

/** The agent's credential stays here; compression would hide the token counts from the tap. */
const DROPPED: ReadonlySet<string> = new Set(['x-api-key', 'authorization', 'accept-encoding']);

const FAULT_PROBLEMS: Record<Exclude<ForwardFault, 'client-gone' | 'broken'>, BrokerProblem> = {
  busy: 'too-many-calls',
  unreachable: 'model-provider-unreachable',
  timeout: 'model-provider-timeout',
  'too-large': 'body-too-large',
};

export interface BrokerParts {
  readonly table: RouteTable;
  readonly pools: UpstreamPools;
  readonly config: ProxyConfig;
  readonly keys: ProviderKeys;
  readonly usage: { readonly meter: CallMeter };
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
}

interface Admitted extends ProviderCall {
  readonly agent: AgentRoute;
  readonly query: string;
  readonly requestId: string;
}

interface Call extends Admitted {
  readonly chosen: ChosenKey;
  /** Undefined: a call that no model works for. */
  readonly counted: MeteredCall | undefined;
}

/** Model calls of managed agents: who calls, may it, and then bytes both ways with the provider's key in place of its own. */
export class BrokerRequests {
  readonly #inFlight = new Map<string, number>();

  constructor(private readonly parts: BrokerParts) {}

  /** Never throws: every fault becomes an answer in the provider's format. */
  handle(req: IncomingMessage, res: ServerResponse): void {
    const requestId = nextRequestId();
    res.on('error', () => res.destroy());
    try {
      const decided = this.#decide(req, requestId);
      if (typeof decided === 'string') this.#refuse(req, res, providerOfPath(req.url ?? ''), decided, requestId);
      else void this.#withKey(req, res, decided);
    } catch (error) {
      this.parts.log.error({ requestId, reason: (error as Error).name }, 'model call failed inside the broker');
      this.#refuse(req, res, providerOfPath(req.url ?? ''), 'internal-error', requestId);
    }
  }

  #decide(req: IncomingMessage, requestId: string): Admitted | BrokerProblem {
    const target = plainTarget(req);
    if (!target) return 'request-invalid';
    const agent = agentOfCall(this.parts.table, req);
    if (!agent) return 'credential-unknown';
    const call = callOf(req.method, target.path);
    if (!call) return 'path-not-found';
    if (this.parts.table.tenant(agent.tenantId)?.status === 'suspended') return 'tenant-suspended';
    if (agent.model.provider !== call.provider) return 'provider-not-allowed';
    if ((this.#inFlight.get(agent.agentId) ?? 0) >= LIMITS.modelCallsPerAgent) return 'too-many-calls';
    return { ...call, agent, query: target.query, requestId };
  }

  /** An own key may have to be opened first; the request waits unread meanwhile, and counts as in flight. */
  async #withKey(req: IncomingMessage, res: ServerResponse, call: Admitted): Promise<void> {
    const { agent, provider, requestId } = call;
    let forwarded = false;
    let metered: MeteredCall | undefined;
    this.#enter(agent.agentId);
    try {
      const chosen = await this.parts.keys.choose(agent, provider);
      if (res.destroyed) return;
      if (typeof chosen === 'string') return this.#refuse(req, res, provider, chosen, requestId);
      if (call.metered) {
        const begun = await this.#meter(req, res, call, chosen.holder);
        if (!begun) return;
        metered = begun;
      }
      forwarded = true;
      this.#forward(req, res, { ...call, chosen, counted: metered });
    } catch (error) {
      metered?.end({ fault: 'unreachable', status: undefined, reading: undefined });
      this.parts.log.error({ requestId, reason: (error as Error).name }, 'model call failed inside the broker');
      this.#refuse(req, res, provider, 'internal-error', requestId);
    } finally {
      if (!forwarded) this.#leave(agent.agentId);
    }
  }

  /** Sets quota aside and writes the call down; undefined: it may not be made, and that is answered. */
  async #meter(
    req: IncomingMessage,
    res: ServerResponse,
    call: Admitted,
    holder: KeyHolder,
  ): Promise<MeteredCall | undefined> {
    const { agent, provider, requestId } = call;
    const refuse = (problem: BrokerProblem, headers?: Record<string, string>) =>
      this.#refuse(req, res, provider, problem, requestId, { headers });
    // An endless body is refused before anything is set aside for it.
    if (bodyLength(req) > LIMITS.modelBody) return void refuse('body-too-large');
    const begun = await this.parts.usage.meter.begin(req, res, { agent, provider, holder });
    if (begun instanceof MeteredCall || !begun) return begun;
    return void refuse(begun.problem, begun.headers);
  }

  #forward(req: IncomingMessage, res: ServerResponse, call: Call): void {
    const { provider, agent } = call;
    const base = new URL(providerConfig(this.parts.config, provider).baseUrl);
    let tap: UsageTap | undefined;
    let status: number | undefined;
    let keyRefused = false;
    forward(this.parts.pools, req, res, {
      origin: base.origin,
      path: `${base.pathname.replace(/\/+$/, '')}${call.path}${call.query}`,
      headers: [
        ...requestHeaders(req, DROPPED),
        'accept-encoding',
        'identity',
        ...keyHeader(provider, call.chosen.key),
      ],
      bodyLimit: LIMITS.modelBody,
      head: call.counted?.head,
      headersTimeout: TIMES.modelHeaders,
      bodyTimeout: TIMES.bodySilence,
      onAnswer: (answered, headers) => {
        status = answered;
        // The provider's text about a refused key may quote it; and it is not the agent's key that is wrong.
        keyRefused = status === 401;
        if (call.counted && status < 300) tap = new UsageTap(isStream(headers));
        delete headers['set-cookie'];
        return keyRefused;
      },
      onChunk: (chunk) => tap?.push(chunk),
      onEnd: (fault, cause) => {
        this.#leave(agent.agentId);
        this.#ended(req, res, call, keyRefused ? 'key-refused' : fault, cause);
        this.#count(call, { fault: keyRefused ? 'key-refused' : fault, status, reading: tap?.end() }, res.statusCode);
      },
    });
  }

  #ended(
    req: IncomingMessage,
    res: ServerResponse,
    call: Call,
    fault?: ForwardFault | 'key-refused',
    cause?: Error,
  ): void {
    if (!fault) return;
    const { provider, agent, requestId, chosen } = call;
    this.parts.metrics.fault('broker', fault);
    if (fault === 'client-gone') return;
    const { agentId, tenantId } = agent;
    const whose = { keyHolder: chosen.holder, storedKeyId: chosen.sealed?.id };
    this.parts.log.warn(
      { requestId, agentId, tenantId, provider, fault, ...whose, reason: cause?.message },
      'model call failed',
    );
    if (fault === 'broken') return;
    if (fault === 'key-refused') this.parts.keys.refused(chosen);
    const problem = fault === 'key-refused' ? 'model-provider-key-refused' : FAULT_PROBLEMS[fault];
    this.#refuse(req, res, provider, problem, requestId, { holder: chosen.holder });
  }

  #count(call: Call, end: Omit<CallEnd, 'durationMs'>, answered: number): void {
    const { metrics } = this.parts;
    const { provider, agent, counted } = call;
    metrics.modelCall(agent.tenantId, provider, answered);
    const usage = counted?.end(end);
    if (usage) metrics.modelTokens(agent.tenantId, provider, usage.inputTokens, usage.outputTokens);
  }

  #refuse(
    req: IncomingMessage,
    res: ServerResponse,
    provider: ModelProvider,
    problem: BrokerProblem,
    requestId: string,
    more: { readonly holder?: KeyHolder; readonly headers?: Record<string, string> | undefined } = {},
  ): void {
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    const { status, body } = providerError(provider, problem, more.holder);
    discardBody(req);
    const retry = status === 429 || status === 503 ? { 'retry-after': '1' } : {};
    const headers = { 'content-type': 'application/json', 'x-request-id': requestId, ...retry, ...more.headers };
    res.writeHead(status, headers).end(body);
  }

  #enter(agentId: string): void {
    this.#inFlight.set(agentId, (this.#inFlight.get(agentId) ?? 0) + 1);
  }

  #leave(agentId: string): void {
    const rest = (this.#inFlight.get(agentId) ?? 1) - 1;
    if (rest > 0) this.#inFlight.set(agentId, rest);
    else this.#inFlight.delete(agentId);
  }
}

const isStream = (headers: IncomingHttpHeaders) =>
  String(headers['content-type'] ?? '').startsWith('text/event-stream');

function plainTarget(req: IncomingMessage): ReturnType<typeof targetOf> | undefined {
  try {
    checkFraming(req);
    return (req.url ?? '').length > LIMITS.url ? undefined : targetOf(req);
  } catch {
    return undefined;
  }
}
