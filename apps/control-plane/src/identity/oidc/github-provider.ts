import { Injectable } from '@nestjs/common';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretPost,
  Configuration,
  customFetch,
  fetchProtectedResource,
} from 'openid-client';
import { IdentitySource, type ProviderClient, verified } from './openid-provider.js';
import { PROVIDER_LIMITS, type ProviderFetch, ProviderHttp } from './provider-http.js';
import { isLoopback } from './provider-presets.js';
import type { ProvedIdentity } from './proved-identity.js';
import type { RoundTripProof } from './round-trips.js';

interface GitHubUser {
  readonly id?: unknown;
  readonly name?: unknown;
}
interface GitHubEmail {
  readonly email: string;
  readonly primary: boolean;
  readonly verified: boolean;
}

/**
 * GitHub, and GitHub Enterprise by its own address: OAuth 2 without ID tokens, so its API says who holds the access token.
 * The account is its number; log-in names and addresses can pass to somebody else.
 * Source: docs.github.com, "Authorizing OAuth apps" and REST "Users".
 */
@Injectable()
export class GitHubProvider extends IdentitySource {
  constructor(private readonly http: ProviderHttp) {
    super();
  }

  async authorizeUrl(provider: ProviderClient, callback: string, proof: RoundTripProof): Promise<URL> {
    return buildAuthorizationUrl(this.#configuration(provider), {
      redirect_uri: callback,
      scope: 'read:user user:email',
      state: proof.state,
      code_challenge: await calculatePKCECodeChallenge(proof.codeVerifier),
      code_challenge_method: 'S256',
    });
  }

  identify(provider: ProviderClient, callback: URL, proof: RoundTripProof): Promise<ProvedIdentity> {
    const config = this.#configuration(provider);
    return verified(provider, async () => {
      const tokens = await authorizationCodeGrant(config, callback, {
        expectedState: proof.state,
        pkceCodeVerifier: proof.codeVerifier,
      });
      const ask = <T>(path: string) => askApi<T>(config, tokens.access_token, `${apiOf(provider.issuer)}${path}`);
      const user = await ask<GitHubUser>('/user');
      if (typeof user.id !== 'number') throw new TypeError('the user has no number');
      const primary = primaryOf(await ask<readonly GitHubEmail[]>('/user/emails'));
      return {
        subject: String(user.id),
        email: primary?.email.toLowerCase() ?? null,
        emailVerified: primary?.verified === true,
        name: typeof user.name === 'string' ? user.name : null,
      };
    });
  }

  #configuration({ issuer, clientId, clientSecret }: ProviderClient): Configuration {
    const server = {
      issuer,
      authorization_endpoint: `${issuer}/login/oauth/authorize`,
      token_endpoint: `${issuer}/login/oauth/access_token`,
    };
    const config = new Configuration(server, clientId, undefined, ClientSecretPost(clientSecret));
    config[customFetch] = this.http.for(issuer) as ProviderFetch as never;
    config.timeout = PROVIDER_LIMITS.timeoutSeconds;
    if (isLoopback(new URL(issuer))) allowInsecureRequests(config);
    return config;
  }
}

const apiOf = (issuer: string): string =>
  issuer === 'https://github.com' ? 'https://api.github.com' : `${issuer}/api/v3`;

const primaryOf = (emails: readonly GitHubEmail[]): GitHubEmail | undefined =>
  Array.isArray(emails) ? emails.find((row) => row.primary === true && typeof row.email === 'string') : undefined;

async function askApi<T>(config: Configuration, token: string, url: string): Promise<T> {
  const headers = new Headers({
    accept: 'application/vnd.github+json',
    'user-agent': 'wirebot',
    'x-github-api-version': '2022-11-28',
  });
  const answer = await fetchProtectedResource(config, token, new URL(url), 'GET', undefined, headers);
  if (!answer.ok) throw new TypeError(`the API answered ${answer.status}`);
  return (await answer.json()) as T;
}
