import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CurrentUser } from '../decorators.js';
import { ConsoleCookies } from '../sign-in/console-cookies.js';
import { SignInFlow } from '../sign-in/sign-in-flow.js';
import { AccountsService } from './accounts.service.js';
import { consoleWith } from './console-path.js';
import { ProviderNotFound, RoundTripOver } from './oidc.errors.js';
import { ProviderClients } from './provider-clients.js';
import { type ProviderRow, ProvidersRepository } from './providers.repository.js';
import { ROUND_TRIP_SECONDS, type RoundTrip, RoundTrips } from './round-trips.js';

export const ROUND_TRIP_COOKIE = 'wirebot_oidc';

/** To an identity provider and back. */
@Injectable()
export class FederatedSignInService {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly clients: ProviderClients,
    private readonly trips: RoundTrips,
    private readonly accounts: AccountsService,
    private readonly flow: SignInFlow,
    private readonly cookies: ConsoleCookies,
  ) {}

  /** Resolves with the provider's address. Throws ProviderNotFound or ProviderUnreachable. */
  async begin(key: string, returnTo: string, link: CurrentUser | null, reply: FastifyReply): Promise<string> {
    const provider = await this.#provider(key);
    const client = await this.clients.clientOf(provider);
    const who = link && { userId: link.userId, sessionId: link.sessionId };
    const { secret, proof } = await this.trips.begin({ providerId: provider.id, returnTo, link: who });
    const url = await this.clients.sourceOf(provider).authorizeUrl(client, this.clients.callbackOf(key), proof);
    this.cookies.set(reply, ROUND_TRIP_COOKIE, secret, ROUND_TRIP_SECONDS, 'Lax');
    return url.href;
  }

  /**
   * Resolves with where the browser goes next. The cookie is asked for before anything is believed: an answer that was
   * begun in another browser, or that somebody made up, never reaches the provider.
   */
  async end(key: string, request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const provider = await this.#provider(key);
    const callback = new URL(this.clients.callbackOf(key));
    callback.search = new URL(request.url, callback).search;
    const [state, ...more] = callback.searchParams.getAll('state');
    if (more.length > 0) throw new RoundTripOver();
    const secret = this.cookies.read(request.headers, ROUND_TRIP_COOKIE);
    const { trip, proof } = await this.trips.end(provider.id, secret, state ?? null);
    this.cookies.set(reply, ROUND_TRIP_COOKIE, '', 0, 'Lax');
    const client = await this.clients.clientOf(provider);
    const identity = await this.clients.sourceOf(provider).identify(client, callback, proof);
    if (trip.link) {
      await this.accounts.link(provider, identity, trip.link);
      return trip.returnTo;
    }
    return this.#signIn(provider, await this.accounts.userFor(provider, identity), trip, reply);
  }

  async #signIn(provider: ProviderRow, userId: string, trip: RoundTrip, reply: FastifyReply): Promise<string> {
    const outcome = await this.flow.finish(userId, `oidc:${provider.key}`, reply);
    return outcome.status === 'signed-in' ? trip.returnTo : consoleWith('second-factor', outcome.methods.join(','));
  }

  async #provider(key: string): Promise<ProviderRow> {
    const provider = await this.providers.findEnabled(key);
    if (!provider) throw new ProviderNotFound();
    return provider;
  }
}
