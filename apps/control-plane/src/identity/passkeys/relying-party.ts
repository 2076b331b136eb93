import { Injectable } from '@nestjs/common';
import { isIP } from 'node:net';
import { ControlPlaneConfig } from '#libs/config';
import { PasskeysUnavailable } from './passkeys.errors.js';

export interface RelyingParty {
  /** The host name that passkeys are bound to. */
  readonly id: string;
  /** Where pages may ask for them. */
  readonly origins: readonly string[];
}

/**
 * Passkeys are bound to a host name, never to an address. A local stack, whose URL is an address of this machine, has them
 * at the name that always means this machine: http://localhost. Undefined for every other address.
 */
export function relyingPartyOf(url: string): RelyingParty | undefined {
  const { hostname, origin, protocol, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) === 0) return { id: hostname, origins: [origin] };
  const loopback = host === '::1' || host.startsWith('127.');
  return loopback ? { id: 'localhost', origins: [`${protocol}//localhost${port && `:${port}`}`] } : undefined;
}

@Injectable()
export class ConsoleRelyingParty {
  readonly #party: RelyingParty | undefined;

  constructor(config: ControlPlaneConfig) {
    this.#party = relyingPartyOf(config.url);
  }

  get available(): boolean {
    return this.#party !== undefined;
  }

  /** Throws PasskeysUnavailable. */
  get(): RelyingParty {
    if (!this.#party) throw new PasskeysUnavailable();
    return this.#party;
  }
}
