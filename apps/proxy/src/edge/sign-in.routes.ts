import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MemberClaims } from '#libs/contracts';
import { DomainError } from '#libs/kernel';
import { ProxyProblem } from '../proxy.errors.js';
import type { AgentAccess } from './agent-access.js';
import { checkOrigin, cookieOf, NAME_COOKIE, SESSION_COOKIE, sessionOf } from './credentials.js';
import { readOwnBody } from './own-body.js';
import type { SignInClient } from './sign-in.client.js';
import type { Site } from './tenancy.js';
import type { TokenGate } from './token-gate.js';

const NO_STORE = { 'Cache-Control': 'no-store' };
const LONGEST_CODE = 512;
const LONGEST_NAME = 1024;

export interface SignInParts {
  readonly client: SignInClient;
  readonly gate: TokenGate;
  readonly access: AgentAccess;
  /** Ends a token, here at once. */
  readonly signOut: (claims: MemberClaims) => Promise<void>;
  /** Clients reach the proxy by https. */
  readonly secure: boolean;
}

/** `/auth/*` of a tenant: the chat page's session, a member token in a cookie that no script can read. */
export class SignInRoutes {
  constructor(private readonly parts: SignInParts) {}

  async handle(req: IncomingMessage, res: ServerResponse, site: Site): Promise<void> {
    const route = `${req.method} ${site.rest}`;
    if (route === 'POST /auth/exchange') return this.#exchange(req, res, site);
    if (route === 'GET /auth/me') return this.#me(req, res, site);
    if (route === 'POST /auth/sign-out') return this.#signOut(req, res, site);
    throw new ProxyProblem('path-not-found');
  }

  async #exchange(req: IncomingMessage, res: ServerResponse, site: Site): Promise<void> {
    checkOrigin(req);
    const { code } = await readOwnBody(req);
    if (typeof code !== 'string' || code === '' || code.length > LONGEST_CODE) throw new ProxyProblem('body-invalid');
    const gone = new AbortController();
    const onClose = () => gone.abort(new Error('the client closed the connection'));
    res.once('close', onClose);
    const { token, expiresAt, agentId, memberName } = await this.parts.client.exchange(
      site.tenant.tenantId,
      code,
      gone.signal,
    );
    res.off('close', onClose);
    const seconds = Math.max(0, Math.floor((Date.parse(expiresAt) - Date.now()) / 1000));
    const name = encodeURIComponent(memberName).slice(0, LONGEST_NAME);
    const cookies = [
      this.#cookie(site, SESSION_COOKIE, token, seconds),
      this.#cookie(site, NAME_COOKIE, name, seconds),
    ];
    sendJson(res, 200, { agentId, memberName, expiresAt }, { 'Set-Cookie': cookies });
  }

  async #me(req: IncomingMessage, res: ServerResponse, site: Site): Promise<void> {
    const token = sessionOf(req);
    if (token === undefined) throw new ProxyProblem('session-missing');
    const claims = await this.parts.gate.claimsOf(token);
    const agent = this.#agentOrSignedOut(() => this.parts.access.agentOf(claims, site));
    const memberName = decodeName(cookieOf(req, NAME_COOKIE) ?? '');
    const expiresAt = new Date(claims.exp * 1000).toISOString();
    sendJson(res, 200, { agentId: agent.agentId, memberName, expiresAt }, {});
  }

  async #signOut(req: IncomingMessage, res: ServerResponse, site: Site): Promise<void> {
    checkOrigin(req);
    const token = cookieOf(req, SESSION_COOKIE);
    // A token that is good for nothing any more needs no end.
    const claims = token === undefined ? undefined : await this.parts.gate.claimsOf(token).catch(() => undefined);
    if (claims?.tid === site.tenant.tenantId) await this.parts.signOut(claims);
    const cookies = [SESSION_COOKIE, NAME_COOKIE].map((name) => this.#cookie(site, name, '', 0));
    res.writeHead(204, { ...NO_STORE, 'Set-Cookie': cookies }).end();
  }

  /** A session whose agent is gone (a membership that ended) is no session. */
  #agentOrSignedOut<T>(find: () => T): T {
    try {
      return find();
    } catch (cause) {
      if (cause instanceof DomainError) throw new ProxyProblem('session-missing', { cause });
      throw cause;
    }
  }

  #cookie(site: Site, name: string, value: string, seconds: number): string {
    const path = site.base === '' ? '/' : `${site.base}/`;
    return `${name}=${value}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${this.parts.secure ? '; Secure' : ''}`;
  }
}

/** Cut off or tampered with, a name is simply not shown. */
function decodeName(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
}

export function sendJson(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string | string[]>,
): void {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  res
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': length, ...NO_STORE, ...headers })
    .end(text);
}
