import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ControlPlaneConfig } from '#libs/config';
import { cookieOf } from '../secrets.js';

export const SESSION_COOKIE = 'wirebot_admin';
export const SECOND_FACTOR_COOKIE = 'wirebot_second_factor';
export const DEVICE_COOKIE = 'wirebot_device';

/**
 * The cookies of consoles: HttpOnly and, unless said otherwise, SameSite=Strict.
 *
 * Over https they carry the prefix `__Host-`, which binds them to this very host: chat pages live on sibling host names,
 * and none of those can plant a session here. The prefix demands `Path=/`. Over plain http (a local stack) browsers refuse
 * the prefix; there the cookies keep their bare names and the narrower path of the API.
 */
@Injectable()
export class ConsoleCookies {
  readonly #prefix: string;
  readonly #attributes: string;

  constructor(config: ControlPlaneConfig) {
    const secure = config.url.startsWith('https:');
    this.#prefix = secure ? '__Host-' : '';
    this.#attributes = secure ? 'Path=/; HttpOnly; Secure' : 'Path=/v1; HttpOnly';
  }

  read(headers: IncomingHttpHeaders, name: string): string | undefined {
    return cookieOf(headers.cookie, `${this.#prefix}${name}`);
  }

  /** `Lax` only for what must survive a redirect from another site, such as an identity provider's call-back. */
  set(reply: FastifyReply, name: string, value: string, seconds: number, sameSite: 'Strict' | 'Lax' = 'Strict'): void {
    void reply.header('cache-control', 'no-store');
    void reply.header(
      'set-cookie',
      `${this.#prefix}${name}=${value}; ${this.#attributes}; SameSite=${sameSite}; Max-Age=${seconds}`,
    );
  }

  clear(reply: FastifyReply, name: string): void {
    this.set(reply, name, '', 0);
  }
}
