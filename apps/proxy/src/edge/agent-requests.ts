import type { AgentRoute } from '#libs/contracts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { forward } from '../http/forward.js';
import type { ForwardFault } from '../http/forward-fault.js';
import { isMisrouted, isSuspending } from '../http/headers.js';
import type { Target } from '../http/request-check.js';
import type { RequestHead } from '../http/request-head.js';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { Access } from './agent-access.js';
import { type EdgeParts, FAULT_PROBLEMS } from './edge.parts.js';
import type { Site } from './tenancy.js';
import { originOf, upstreamHeaders, upstreamPath } from './upstream-request.js';
import type { Visit } from './waiting-room.js';

/** One request for an agent, from its admission to its answer. */
export interface AgentRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly site: Site;
  readonly target: Target;
  readonly requestId: string;
  /** Answers with a problem, if nothing has been answered yet. */
  readonly refuse: (error: unknown) => void;
}

/** Begins when a request has to wait for the first time. */
interface Wait {
  readonly since: number;
  readonly left: AbortSignal;
}

/** Takes requests to agents. One whose agent sleeps or moves waits, unread, and goes on when it answers. */
export class AgentRequests {
  constructor(private readonly parts: EdgeParts) {}

  send(request: AgentRequest, access: Access): void {
    if (access.agent.state === 'live') this.#forward(request, access);
    else void this.#hold(request, access, undefined, undefined);
  }

  /** Never rejects. `refused`: it was sent already, and the gateway took nothing of it. */
  async #hold(
    request: AgentRequest,
    access: Access,
    wait: Wait | undefined,
    refused: Visit['refused'],
    head?: RequestHead,
  ): Promise<void> {
    const { req, res, site } = request;
    const { since, left } = wait ?? { since: performance.now(), left: leaving(res) };
    try {
      let now = access;
      do {
        const unknown = now.grant === undefined;
        await this.parts.room.wait(now.agent, { since, left, unknown, ...(refused ? { refused } : {}) });
        // Whether it may go there is asked anew: a token may have ended meanwhile.
        now = (await this.parts.access.decide(req, site, false)) ?? now;
      } while (now.agent.state !== 'live');
      this.#forward(request, now, { since, left }, head);
    } catch (error) {
      request.refuse(error);
    }
  }

  #forward(request: AgentRequest, access: Access, wait?: Wait, head?: RequestHead): void {
    const { req, res, target, requestId } = request;
    let forget: (() => void) | undefined;
    const cancel = forward(this.parts.pools, req, res, {
      origin: originOf(access.agent),
      path: upstreamPath(access, target),
      headers: upstreamHeaders(req, access, this.parts.scheme, requestId),
      bodyLimit: LIMITS.gatewayBody,
      replayLimit: LIMITS.replayBody,
      head,
      headersTimeout: TIMES.gatewayHeaders,
      bodyTimeout: TIMES.bodySilence,
      answerHeaders: { 'x-request-id': requestId },
      onAnswer: (status, headers, rewind) => {
        if (status === 429) this.parts.signals.note(access.agent.tenantId, access.agent.memberId, 'rate-limit');
        const because = isSuspending(status, headers) ? 'asleep' : isMisrouted(status, headers) ? 'moved' : undefined;
        if (!because) return false;
        forget?.();
        const rest = rewind();
        const refused = { route: access.agent, because } as const;
        if (rest) void this.#hold(request, access, wait, refused, rest.head);
        else request.refuse(new ProxyProblem(because === 'asleep' ? 'agent-waking' : 'agent-moving'));
        return true;
      },
      onEnd: (fault, cause) => this.#ended(request, access.agent, fault, cause),
    });
    if (!access.grant) return;
    // An answer that is still running when its token ends is cut; one that has not begun becomes a refusal.
    forget = this.parts.live.add(access.grant, (fault) => {
      cancel();
      request.refuse(fault);
    });
    res.once('close', forget);
  }

  #ended(request: AgentRequest, agent: AgentRoute, fault?: ForwardFault, cause?: Error): void {
    if (!fault) return;
    this.parts.metrics.fault('edge', fault);
    if (fault === 'client-gone') return;
    const { agentId, gatewayId } = agent;
    if (fault !== 'too-large') {
      const { requestId } = request;
      this.parts.log.warn(
        { requestId, agentId, gatewayId, fault, reason: cause?.message },
        'agent did not answer in full',
      );
    }
    if (fault !== 'broken') request.refuse(new ProxyProblem(FAULT_PROBLEMS[fault]));
  }
}

function leaving(res: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (res.destroyed) gone.abort();
  else res.once('close', () => gone.abort());
  return gone.signal;
}
