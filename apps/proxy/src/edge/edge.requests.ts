import type { RouteTable } from '#libs/routing';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { forward } from '../http/forward.js';
import type { ForwardFault } from '../http/forward-fault.js';
import { hostOf, isMisrouted } from '../http/headers.js';
import { sendProblem } from '../http/problem.js';
import { checkFraming, type Target, targetOf } from '../http/request-check.js';
import { nextRequestId } from '../http/request-id.js';
import type { UpstreamPools } from '../http/upstream-pools.js';
import { type ProblemCode, ProxyProblem } from '../proxy.errors.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { ProxyMetrics, Traffic } from '../proxy.metrics.js';
import type { SignalCounts } from '../signal-counts.js';
import type { Access, AgentAccess } from './agent-access.js';
import type { ChatPage } from './chat-page.js';
import type { LiveConnections } from './live-connections.js';
import type { OwnRoutes } from './own.routes.js';
import { sendJson, type SignInRoutes } from './sign-in.routes.js';
import { type Site, siteOf } from './tenancy.js';
import { originOf, upstreamHeaders, upstreamPath } from './upstream-request.js';

export const FAULT_PROBLEMS: Record<Exclude<ForwardFault, 'client-gone' | 'broken'>, ProblemCode> = {
  busy: 'agent-busy',
  unreachable: 'agent-unreachable',
  timeout: 'agent-timeout',
  'too-large': 'body-too-large',
};

export interface EdgeParts {
  readonly table: RouteTable;
  readonly access: AgentAccess;
  readonly live: LiveConnections;
  readonly signIn: SignInRoutes;
  readonly page: ChatPage;
  readonly own: OwnRoutes;
  readonly pools: UpstreamPools;
  readonly metrics: ProxyMetrics;
  readonly signals: SignalCounts;
  readonly log: Logger;
  /** What clients reach the proxy by. */
  readonly scheme: 'http' | 'https';
  readonly accessLogSample: number;
}

/** One inbound request: which tenant, which part of it, and the answer. */
export class EdgeRequests {
  constructor(private readonly parts: EdgeParts) {}

  /** Never rejects: every fault becomes an answer. */
  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const requestId = nextRequestId();
    let traffic: Traffic = 'refused';
    res.on('error', () => res.destroy());
    res.once('close', () => this.#done(req, res, traffic, requestId));
    try {
      traffic = await this.#route(req, res, requestId);
    } catch (error) {
      this.#refuse(req, res, error, requestId);
    }
  }

  async #route(req: IncomingMessage, res: ServerResponse, requestId: string): Promise<Traffic> {
    if ((req.url ?? '').length > LIMITS.url) throw new ProxyProblem('url-too-long');
    checkFraming(req);
    const target = targetOf(req);
    const site = this.#siteOf(req, target);
    if (!site) {
      await this.parts.own.handle(req, res, target.path);
      return 'own';
    }
    const access = await this.parts.access.decide(req, site, false);
    if (!access) return this.#local(req, res, site, target);
    this.#forward(req, res, access, target, requestId);
    return 'agent';
  }

  #siteOf(req: IncomingMessage, target: Target): Site | undefined {
    const site = siteOf(this.parts.table, hostOf(req.headers.host), target.path);
    // Without a table nobody can say whose host it is: that is not the client's mistake.
    if (!site && !this.parts.table.position && !this.parts.own.serves(target.path))
      throw new ProxyProblem('routes-not-loaded');
    return site;
  }

  async #local(req: IncomingMessage, res: ServerResponse, site: Site, target: Target): Promise<Traffic> {
    if (site.rest.startsWith('/auth/')) {
      await this.parts.signIn.handle(req, res, site);
      return 'sign-in';
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') throw new ProxyProblem('path-not-found');
    if (site.rest === '') {
      res.writeHead(308, { Location: `${site.base}/${target.query}`, 'Content-Length': '0' }).end();
    } else if (site.rest === '/brand.json') {
      sendJson(res, 200, { ...site.tenant.brand, tenant: site.tenant.name }, {});
    } else {
      await this.parts.page.serve(req, res, site.rest);
    }
    return 'page';
  }

  #forward(req: IncomingMessage, res: ServerResponse, access: Access, target: Target, requestId: string): void {
    const cancel = forward(this.parts.pools, req, res, {
      origin: originOf(access.agent),
      path: upstreamPath(access, target),
      headers: upstreamHeaders(req, access, this.parts.scheme, requestId),
      bodyLimit: LIMITS.gatewayBody,
      headersTimeout: TIMES.gatewayHeaders,
      bodyTimeout: TIMES.bodySilence,
      answerHeaders: { 'x-request-id': requestId },
      onAnswer: (status, headers) => {
        if (status === 429) this.parts.signals.note(access.agent.tenantId, access.agent.memberId, 'rate-limit');
        if (!isMisrouted(status, headers)) return false;
        this.#refuse(req, res, new ProxyProblem('agent-moving'), requestId);
        return true;
      },
      onEnd: (fault, cause) => this.#ended(req, res, access, requestId, fault, cause),
    });
    if (!access.grant) return;
    // An answer that is still running when its token ends is cut; one that has not begun becomes a refusal.
    const forget = this.parts.live.add(access.grant, (fault) => {
      cancel();
      this.#refuse(req, res, fault, requestId);
    });
    res.once('close', forget);
  }

  #ended(
    req: IncomingMessage,
    res: ServerResponse,
    access: Access,
    requestId: string,
    fault?: ForwardFault,
    cause?: Error,
  ): void {
    if (!fault) return;
    this.parts.metrics.fault('edge', fault);
    if (fault === 'client-gone') return;
    const { agentId, gatewayId } = access.agent;
    if (fault !== 'too-large') {
      this.parts.log.warn(
        { requestId, agentId, gatewayId, fault, reason: cause?.message },
        'agent did not answer in full',
      );
    }
    if (fault !== 'broken') this.#refuse(req, res, new ProxyProblem(FAULT_PROBLEMS[fault]), requestId);
  }

  #refuse(req: IncomingMessage, res: ServerResponse, error: unknown, requestId: string): void {
    if (!(error instanceof Error && 'kind' in error)) {
      this.parts.log.error({ requestId, err: error }, 'request failed inside the proxy');
    }
    sendProblem(req, res, error, requestId);
  }

  #done(req: IncomingMessage, res: ServerResponse, traffic: Traffic, requestId: string): void {
    this.parts.metrics.request(traffic, res.statusCode);
    if (this.parts.accessLogSample === 0 || Math.random() >= this.parts.accessLogSample) return;
    const path = (req.url ?? '').split('?', 1)[0];
    this.parts.log.info({ requestId, traffic, method: req.method, path, status: res.statusCode }, 'request answered');
  }
}
