import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostOf } from '../http/headers.js';
import { sendProblem } from '../http/problem.js';
import { checkFraming, type Target, targetOf } from '../http/request-check.js';
import { nextRequestId } from '../http/request-id.js';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS } from '../proxy.limits.js';
import type { Traffic } from '../proxy.metrics.js';
import { AgentRequests } from './agent-requests.js';
import type { EdgeParts } from './edge.parts.js';
import { sendJson } from './sign-in.routes.js';
import { type Site, siteOf } from './tenancy.js';

/** One inbound request: which tenant, which part of it, and the answer. */
export class EdgeRequests {
  readonly #agents: AgentRequests;

  constructor(private readonly parts: EdgeParts) {
    this.#agents = new AgentRequests(parts);
  }

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
    const refuse = (error: unknown) => this.#refuse(req, res, error, requestId);
    this.#agents.send({ req, res, site, target, requestId, refuse }, access);
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
