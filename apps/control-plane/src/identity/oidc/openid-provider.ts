import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#libs/kernel';
import { LRUCache } from 'lru-cache';
import {
  allowInsecureRequests,
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
} from 'openid-client';
import { ProviderAnswerRefused, SignInCancelled } from './oidc.errors.js';
import { isLoopback } from './provider-presets.js';
import { PROVIDER_LIMITS, type ProviderFetch, ProviderHttp } from './provider-http.js';
import { type IdentityClaims, identityOf, type ProvedIdentity } from './proved-identity.js';
import type { RoundTripProof } from './round-trips.js';

/** A provider with its secret in clear: for one call, never for storage or logs. */
export interface ProviderClient {
  readonly id: string;
  readonly key: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly updatedAt: Date;
}

/** Asks one kind of provider who somebody is. */
export abstract class IdentitySource {
  /** Where the browser goes to. */
  abstract authorizeUrl(provider: ProviderClient, callback: string, proof: RoundTripProof): Promise<URL>;
  /** Who came back with this address. Throws ProviderAnswerRefused, SignInCancelled or ProviderUnreachable. */
  abstract identify(provider: ProviderClient, callback: URL, proof: RoundTripProof): Promise<ProvedIdentity>;
}

/** Metadata and keys of a provider are asked for again after this time, in milliseconds. */
const METADATA_MS = 3_600_000;

/** OpenID Connect: authorization code with PKCE, state and nonce; the ID token's signature is always checked. */
@Injectable()
export class OpenIdProvider extends IdentitySource {
  readonly #known = new LRUCache<string, Promise<Configuration>>({ max: 100, ttl: METADATA_MS });

  constructor(private readonly http: ProviderHttp) {
    super();
  }

  async authorizeUrl(provider: ProviderClient, callback: string, proof: RoundTripProof): Promise<URL> {
    const config = await this.#configuration(provider);
    const parameters = {
      redirect_uri: callback,
      scope: 'openid email profile',
      state: proof.state,
      nonce: proof.nonce,
      code_challenge: await calculatePKCECodeChallenge(proof.codeVerifier),
      code_challenge_method: 'S256',
    };
    return verified(provider, async () => buildAuthorizationUrl(config, parameters));
  }

  async identify(provider: ProviderClient, callback: URL, proof: RoundTripProof): Promise<ProvedIdentity> {
    const config = await this.#configuration(provider);
    return verified(provider, async () => {
      const tokens = await authorizationCodeGrant(config, callback, {
        expectedState: proof.state,
        expectedNonce: proof.nonce,
        pkceCodeVerifier: proof.codeVerifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims() as IdentityClaims;
      if (claims['email'] !== undefined || !config.serverMetadata().userinfo_endpoint) return identityOf(claims);
      const more = await fetchUserInfo(config, tokens.access_token, claims.sub);
      return identityOf({ ...more, ...claims });
    });
  }

  /** Asks the issuer whether it can be talked to, past everything that is known of it. */
  async check(provider: ProviderClient): Promise<void> {
    await verified(provider, () => this.#discover(provider));
  }

  /** Reads the issuer's metadata; shared by everybody who signs in with it for an hour. */
  async #configuration(provider: ProviderClient): Promise<Configuration> {
    const key = `${provider.id}/${provider.updatedAt.getTime()}`;
    const known = this.#known.get(key);
    if (known) return known;
    const asked = verified(provider, () => this.#discover(provider));
    this.#known.set(key, asked);
    asked.catch(() => this.#known.delete(key));
    return asked;
  }

  async #discover({ issuer, clientId, clientSecret }: ProviderClient): Promise<Configuration> {
    const config = await discovery(new URL(issuer), clientId, undefined, clientAuthentication(clientSecret), {
      [customFetch]: this.http.for(issuer) as ProviderFetch as never,
      timeout: PROVIDER_LIMITS.timeoutSeconds,
      execute: [enableNonRepudiationChecks, ...(isLoopback(new URL(issuer)) ? [allowInsecureRequests] : [])],
    });
    const methods = config.serverMetadata().code_challenge_methods_supported;
    if (methods && !methods.includes('S256')) throw new TypeError('the provider does not support PKCE with S256');
    return config;
  }
}

/** In the body where the provider takes it there, else in the header, which every provider must take (RFC 6749, 2.3.1). */
function clientAuthentication(secret: string): ClientAuth {
  const [post, basic] = [ClientSecretPost(secret), ClientSecretBasic(secret)];
  return (server, ...rest) =>
    (server.token_endpoint_auth_methods_supported?.includes('client_secret_post') ? post : basic)(server, ...rest);
}

const logger = new Logger('identity-provider');

/** Runs a step against a provider; what the library throws becomes one of ours, and the log says what it was. */
export async function verified<T>(provider: { readonly key: string }, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      if (cause instanceof DomainError) throw cause;
    if (error instanceof AuthorizationResponseError && error.error === 'access_denied')
      throw new SignInCancelled({ cause: error });
    // The message names the check that failed; values of tokens are in `cause`, which stays out of the log.
    const { code, message } = error as { code?: string; message?: string };
    logger.warn({ msg: 'answer of an identity provider refused', provider: provider.key, code, reason: message });
    throw new ProviderAnswerRefused({ cause: error });
  }
}
