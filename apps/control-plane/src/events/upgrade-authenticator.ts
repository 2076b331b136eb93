import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { clientAddress } from '../http/client-address.js';
import { Authenticator } from '../identity/authenticator.js';
import type { Principal } from '../identity/principal.js';

/** Decides at the upgrade who may open the event socket, and remembers it for the connection. */
@Injectable()
export class UpgradeAuthenticator {
  readonly #principals = new WeakMap<IncomingMessage, Principal>();

  constructor(
    private readonly authenticator: Authenticator,
    private readonly config: ControlPlaneConfig,
  ) {}

  /** Throws the same errors as the operator API; a cookie needs the console's own Origin, as for a change. */
  async authenticate(request: IncomingMessage): Promise<Principal> {
    const principal = await this.authenticator.operator({
      headers: request.headers,
      address: clientAddress(request, this.config.trustedProxies),
      mutates: true,
      // A console that was left open must not keep its session alive.
      passive: true,
    });
    this.#principals.set(request, principal);
    return principal;
  }

  principalOf(request: IncomingMessage): Principal | undefined {
    return this.#principals.get(request);
  }
}
