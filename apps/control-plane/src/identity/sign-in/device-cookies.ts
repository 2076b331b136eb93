import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Clock } from '#libs/kernel';
import { PlatformKeys } from '../../secrets/platform-keys.js';
import { ConsoleCookies, DEVICE_COOKIE } from './console-cookies.js';

const DEVICE_SECONDS = 180 * 86_400;

/**
 * Remembers that a browser once signed somebody in, so that others' guesses do not lock its owner out. It opens nothing: a
 * browser that has one merely gets tries of its own. `<nonce>.<expiry>.<mac>`, bound to one e-mail address.
 * Source: OWASP, "Slow down online guessing attacks with device cookies".
 */
@Injectable()
export class DeviceCookies {
  readonly #key: Buffer;

  constructor(
    keys: PlatformKeys,
    private readonly cookies: ConsoleCookies,
    private readonly clock: Clock,
  ) {
    this.#key = keys.derive('device-cookie');
  }

  remember(reply: FastifyReply, email: string): void {
    const nonce = randomBytes(12).toString('base64url');
    const until = String(Math.floor(this.clock.now().getTime() / 1_000) + DEVICE_SECONDS);
    const value = `${nonce}.${until}.${this.#mac(nonce, until, email)}`;
    this.cookies.set(reply, DEVICE_COOKIE, value, DEVICE_SECONDS);
  }

  /** The nonce of this browser's cookie when it is for that e-mail address; undefined otherwise. */
  known(headers: IncomingHttpHeaders, email: string): string | undefined {
    const [nonce, until, mac] = (this.cookies.read(headers, DEVICE_COOKIE) ?? '').split('.');
    if (!nonce || !until || !mac || !(Number(until) * 1_000 > this.clock.now().getTime())) return undefined;
    const [given, right] = [Buffer.from(mac), Buffer.from(this.#mac(nonce, until, email))];
    return given.length === right.length && timingSafeEqual(given, right) ? nonce : undefined;
  }

  #mac(nonce: string, until: string, email: string): string {
    return createHmac('sha256', this.#key).update(`${nonce}.${until}.${email}`).digest('base64url');
  }
}
