import type { AgentRoute, MemberClaims } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import type { IncomingMessage } from 'node:http';
import { ProxyProblem } from '../proxy.errors.js';
import { SignalCounts } from '../signal-counts.js';
import { bearerOf, sessionOf } from './credentials.js';
import type { Admission, SiteTokens } from './site-tokens.js';
import type { Site } from './tenancy.js';
import type { Grant, TokenGate } from './token-gate.js';

/** A request that may go to an agent: where, and with which token. */
export interface Access {
  readonly agent: AgentRoute;
  /** The path at the gateway, below `/a/<agentId>`. */
  readonly path: string;
  /** One of ours. Undefined: the gateway asks for it in the connect frame, or the path is open. */
  readonly token: string | undefined;
  /** What the token gives, and for how long. */
  readonly grant: Grant | undefined;
}

/** A route is here long before its agent's first token is this old. */
const NEW_TOKEN_SECONDS = 5;

const AGENT_PATH = /^\/a\/([^/]+)(\/.*)?$/;
const OPEN_PATHS = new Set(['/health', '/ready']);
const MEMBER_PATH = /^\/(?:chat|ws|sessions|session\/.+)$/;

/** Decides which agent a request is for, and whether it may go there. */
export class AgentAccess {
  constructor(
    private readonly table: RouteTable,
    private readonly gate: TokenGate,
    private readonly siteTokens: SiteTokens,
    /** False while the control plane cannot tell this proxy of new agents. */
    private readonly isCurrent: () => boolean = () => true,
    private readonly signals: SignalCounts = new SignalCounts(),
  ) {}

  /** Undefined: not a path of an agent. Throws the problem to answer with when it may not go there. */
  async decide(req: IncomingMessage, site: Site, upgrade: boolean): Promise<Access | undefined> {
    const named = AGENT_PATH.exec(site.rest);
    if (named) return this.#named(req, site, named[1]!, named[2] ?? '/', upgrade);
    if (MEMBER_PATH.test(site.rest)) return this.#own(req, site);
    return undefined;
  }

  async #named(req: IncomingMessage, site: Site, agentId: string, path: string, upgrade: boolean): Promise<Access> {
    const token = bearerOf(req);
    if (token === undefined && !isOpen(req, path, upgrade)) throw new ProxyProblem('credential-missing');
    const admission = token === undefined ? undefined : await this.#admit(site, token);
    const agent = this.table.agent(agentId);
    if (!agent) throw this.#unknown(admission?.grant.claims);
    if (agent.tenantId !== site.tenant.tenantId) throw new ProxyProblem('agent-not-found');
    if (admission && !belongs(admission.grant.claims, agent)) throw this.#foreign(admission.grant.claims);
    return { agent, path, token: admission?.token, grant: admission?.grant };
  }

  /** `/chat`, `/ws` and the sessions below the tenant's base: the token says whose. */
  async #own(req: IncomingMessage, site: Site): Promise<Access> {
    const bearer = bearerOf(req);
    const session = bearer === undefined ? sessionOf(req) : undefined;
    if (bearer === undefined && session === undefined) throw new ProxyProblem('credential-missing');
    const { token, grant } = bearer === undefined ? await this.#ours(session!) : await this.#admit(site, bearer);
    return { agent: this.agentOf(grant.claims, site), path: site.rest, token, grant };
  }

  /** A token that comes later, over a socket that is open to an agent. Throws what a request would be answered. */
  async admitTo(agent: AgentRoute, site: Site, token: string): Promise<Admission> {
    const admission = await this.#admit(site, token);
    if (!belongs(admission.grant.claims, agent)) throw this.#foreign(admission.grant.claims);
    return admission;
  }

  assertOwner({ claims }: Grant, memberId: string): void {
    if (claims.sub !== memberId) throw this.#foreign(claims);
  }

  /** A bearer token may be the tenant's own site's, which is exchanged for one of ours. */
  async #admit(site: Site, token: string): Promise<Admission> {
    return this.siteTokens.takes(site.tenant, token) ? this.siteTokens.admit(site.tenant, token) : this.#ours(token);
  }

  /** A token that was revoked and is used all the same is noted against its member. */
  async #ours(token: string): Promise<Admission> {
    const grant = await this.gate.grantOf(token, ({ tid, sub }) => this.signals.note(tid, sub, 'revoked-token'));
    return { token, grant };
  }

  /** Somebody's valid token, used on what is not theirs. */
  #foreign({ tid, sub }: MemberClaims): ProxyProblem {
    this.signals.note(tid, sub, 'foreign-agent');
    return new ProxyProblem('agent-not-found');
  }

  /** The agent a token is for, at this tenant. */
  agentOf(claims: MemberClaims, site: Site): AgentRoute {
    if (claims.tid !== site.tenant.tenantId) throw this.#foreign(claims);
    const agent = this.table.agentOfWorkspace(claims.tid, claims.wid);
    if (!agent) throw this.#unknown(claims);
    return agent;
  }

  /**
   * An agent that was made a moment ago is no stranger: while the feed is down nobody here can tell them apart, and a token
   * that was issued this instant may be faster than the route.
   */
  #unknown(claims: MemberClaims | undefined): ProxyProblem {
    const isNew =
      claims !== undefined &&
      Date.now() / 1000 - claims.iat < NEW_TOKEN_SECONDS &&
      !this.table.agentOfWorkspace(claims.tid, claims.wid);
    return new ProxyProblem(this.isCurrent() && !isNew ? 'agent-not-found' : 'routes-behind');
  }
}

const belongs = (claims: MemberClaims, agent: AgentRoute) =>
  claims.tid === agent.tenantId && claims.wid === agent.workspaceId;

/** A socket may bring its token in the connect frame; the gateway closes it when none comes. */
function isOpen(req: IncomingMessage, path: string, upgrade: boolean): boolean {
  return upgrade ? path === '/ws' : OPEN_PATHS.has(path) && (req.method === 'GET' || req.method === 'HEAD');
}
