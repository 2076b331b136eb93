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
  TooManyAttempts,
} from './identity.errors.js';
import type { Principal } from './principal.js';
import { bearerOf, cookieOf, sameSecret } from './secrets.js';
import { SESSION_COOKIE, SessionsService } from './sessions.service.js';

/** Wrong keys an address may send in a minute before it is told to wait. Right keys are never held up. */
const WRONG_KEYS_PER_MINUTE = 60;

/** What of a request says who is calling; shared by HTTP routes and the event socket's upgrade. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  readonly address: string;
  /** The call changes something, or opens a socket: with a cookie it needs the console's own Origin. */
  readonly mutates: boolean;
}

@Injectable()
export class Authenticator {
  readonly #logger = new Logger('identity');

  constructor(
    private readonly keys: ApiKeysService,
    private readonly sessions: SessionsService,
    private readonly counters: Counters,
    private readonly config: ControlPlaneConfig,
  ) {}

  /** By API key. Throws ApiKeyInvalid, or TooManyAttempts when the address keeps sending wrong ones. */
  async byKey(credentials: Credentials): Promise<Principal> {
    try {
      return await this.keys.authenticate(bearerOf(credentials.headers.authorization));
    } catch (error) {
      if (error instanceof ApiKeyInvalid) await this.#countWrongKey(credentials.address);
      throw error;
    }
  }

  /** By operator's key, or by the admin console's cookie. */
  async operator(credentials: Credentials): Promise<Principal> {
    const { authorization, cookie } = credentials.headers;
    if (authorization !== undefined) {
      const principal = await this.byKey(credentials);
      if (principal.kind !== 'operator') throw new OperatorRequired();
      return principal;
    }
    const session = await this.sessions.find(cookieOf(cookie, SESSION_COOKIE));
    if (!session) throw new SessionRequired();
    if (credentials.mutates) this.assertOwnOrigin(credentials.headers);
    return { kind: 'operator', userId: session.user.id, scopes: ['*'] };
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
