import type { IncomingHttpHeaders } from 'node:http';
import { Injectable, Logger } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Counters } from '#libs/queue';
import { ApiKeysService } from './api-keys.service.js';
import {
  ApiKeyInvalid,
  OperatorRequired,
  OriginRefused,
  ProxyCredentialInvalid,
  SessionRequired,
  TenantClosed,
  TenantRequired,
  TenantSuspended,
  TooManyAttempts,
} from './identity.errors.js';
import { MemberTokens } from './member-tokens.js';
import type { Principal } from './principal.js';
import { ROLE_SCOPES } from './roles.js';
import { bearerOf, sameSecret } from './secrets.js';
import { type ConsoleSession, SessionsService, type StaffPlace } from './sessions.service.js';
import { ConsoleCookies, SESSION_COOKIE } from './sign-in/console-cookies.js';
import { SecondFactorRequired } from './sign-in/sign-in.errors.js';

/** Wrong keys an address may send in a minute before it is told to wait. Right keys are never held up. */
const WRONG_KEYS_PER_MINUTE = 60;

/** Names the tenant that a call is about, for callers who may act for several. */
const TENANT_HEADER = 'wirebot-tenant';

/** What of a request says who is calling; shared by HTTP routes and the event socket's upgrade. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  readonly address: string;
  /** The call changes something, or opens a socket: with a cookie it needs the console's own Origin. */
  readonly mutates: boolean;
  /** A look whether access is still there; it keeps no session alive. */
  readonly passive?: boolean;
}

@Injectable()
export class Authenticator {
  readonly #logger = new Logger('identity');

  constructor(
    private readonly keys: ApiKeysService,
    private readonly sessions: SessionsService,
    private readonly cookies: ConsoleCookies,
    private readonly memberTokens: MemberTokens,
    private readonly counters: Counters,
    private readonly config: ControlPlaneConfig,
  ) {}

  /** By API key. Throws ApiKeyInvalid, or TooManyAttempts when the address keeps sending wrong ones. */
  async byKey(credentials: Credentials): Promise<Principal> {
    try {
      return await this.keys.authenticate(bearerOf(credentials.headers.authorization), credentials.address);
    } catch (error) {
      if (error instanceof ApiKeyInvalid) await this.#countWrongKey(credentials.address);
      throw error;
    }
  }

  /** By operator's key, or by an operator's console session. */
  async operator(credentials: Credentials): Promise<Principal> {
    if (credentials.headers.authorization !== undefined) {
      const principal = await this.byKey(credentials);
      if (principal.kind !== 'operator') throw new OperatorRequired();
      return principal;
    }
    const session = await this.#session(credentials);
    if (!session.user.isOperator) throw new OperatorRequired();
    this.#assertSecondFactor(session);
    return { kind: 'operator', userId: session.user.id, sessionId: session.id, scopes: ['*'] };
  }

  /**
   * On tenant routes: a tenant's key, an operator's key, or a console session. Who may act for several tenants names one in
   * the header `Wirebot-Tenant`.
   */
  async forTenant(credentials: Credentials): Promise<Principal> {
    const named = credentials.headers[TENANT_HEADER];
    const wanted = typeof named === 'string' ? named : undefined;
    if (credentials.headers.authorization !== undefined || credentials.headers.cookie === undefined) {
      const principal = await this.byKey(credentials);
      if (principal.kind === 'operator' && principal.tenantId === undefined && wanted !== undefined)
        return { ...principal, tenantId: await this.sessions.tenantExists(wanted) };
      // A key of one tenant, or bound to one, never acts there when the call names another.
      if (wanted !== undefined && 'tenantId' in principal && wanted !== principal.tenantId) throw new TenantRequired();
      return principal;
    }
    const session = await this.#session(credentials);
    const { id: sessionId, user } = session;
    if (user.isOperator) this.#assertSecondFactor(session);
    if (user.isOperator && wanted !== undefined) {
      const tenantId = await this.sessions.tenantExists(wanted);
      return { kind: 'operator', userId: user.id, sessionId, scopes: ['*'], tenantId };
    }
    const roles = await this.sessions.staffRoles(user.id);
    const staff = wanted === undefined && roles.length === 1 ? roles[0] : roles.find((row) => row.tenantId === wanted);
    if (!staff) throw new TenantRequired();
    const { tenantId, role, tenant } = staff;
    if (credentials.mutates) assertOpen(tenant);
    return { kind: 'staff', userId: user.id, sessionId, tenantId, role, scopes: ROLE_SCOPES[role] };
  }

  /** By console session, whatever the role. */
  async user(credentials: Credentials): Promise<Principal> {
    const session = await this.#session(credentials);
    return { kind: 'user', userId: session.user.id, sessionId: session.id, scopes: [] };
  }

  /** By a member's own token. */
  async member(credentials: Credentials): Promise<Principal> {
    const token = bearerOf(credentials.headers.authorization);
    const claims = await this.memberTokens.verify(token);
    const { tid: tenantId, sub: memberId, wid: workspaceId, jti: tokenId, scopes } = claims;
    return { kind: 'member', tenantId, memberId, workspaceId, tokenId, scopes };
  }

  proxy(credentials: Credentials): Principal {
    const given = bearerOf(credentials.headers.authorization);
    if (given === undefined || !sameSecret(given, this.config.proxyCredential)) throw new ProxyCredentialInvalid();
    return { kind: 'proxy' };
  }

  /** The Origin must be there and be the address the request was sent to, or the public one. */
  assertOwnOrigin(headers: IncomingHttpHeaders): void {
    const origin = URL.parse(headers.origin ?? '');
    const own = origin?.host === headers.host || origin?.origin === new URL(this.config.url).origin;
    if (!origin || !own) throw new OriginRefused();
  }

  async #session(credentials: Credentials): Promise<ConsoleSession> {
    const session = await this.sessions.find(this.cookies.read(credentials.headers, SESSION_COOKIE), credentials);
    if (!session) throw new SessionRequired();
    if (credentials.mutates) this.assertOwnOrigin(credentials.headers);
    return session;
  }

  /** Routes about the operator's own account stay open: there a second factor is set up. */
  #assertSecondFactor(session: ConsoleSession): void {
    if (this.config.requireOperatorTotp && !session.secondFactor) throw new SecondFactorRequired();
  }

  async #countWrongKey(address: string): Promise<void> {
    let result;
    try {
      result = await this.counters.consume(`wrong-key:${address}`, WRONG_KEYS_PER_MINUTE, 60);
    } catch (err) {
      this.#logger.warn({ msg: 'wrong key not counted', err });
      return; // the caller gets the plain refusal; 256-bit keys are not guessed
    }
    if (!result.allowed) throw new TooManyAttempts(result.resetSeconds);
  }
}

/** The people of a tenant that is suspended or closed may still look. */
function assertOpen(tenant: StaffPlace['tenant']): void {
  if (tenant.status === 'suspended') throw new TenantSuspended(tenant.suspendedReason);
  if (tenant.status !== 'active') throw new TenantClosed();
}
