import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { type Sealed, Vault } from '../../secrets/vault.js';
import { GitHubProvider } from './github-provider.js';
import { IssuerUnusable, ProviderAnswerRefused, ProviderUnreachable } from './oidc.errors.js';
import { type IdentitySource, OpenIdProvider, type ProviderClient } from './openid-provider.js';
import type { ProviderRow } from './providers.repository.js';

const contextOf = (providerId: string): string => `identity-provider/${providerId}`;

/** Puts a stored provider to work: its secret in clear, its kind of client, its call-back address. */
@Injectable()
export class ProviderClients {
  constructor(
    private readonly vault: Vault,
    private readonly openId: OpenIdProvider,
    private readonly gitHub: GitHubProvider,
    private readonly config: ControlPlaneConfig,
  ) {}

  seal(providerId: string, secret: string): Promise<Sealed> {
    return this.vault.seal(null, secret, contextOf(providerId));
  }

  async clientOf(row: ProviderRow): Promise<ProviderClient> {
    const { id, key, issuer, clientId, updatedAt } = row;
    const clientSecret = (await this.vault.open(row.clientSecretSealed, contextOf(id))).toString();
    return { id, key, issuer, clientId, clientSecret, updatedAt };
  }

  sourceOf({ kind }: Pick<ProviderRow, 'kind'>): IdentitySource {
    return kind === 'github' ? this.gitHub : this.openId;
  }

  /** What operators register at the provider. One address for each provider: an answer cannot be taken for another's. */
  callbackOf(key: string): string {
    return `${this.config.url}/v1/session/oidc/${key}/callback`;
  }

  /** Throws IssuerUnusable when the issuer does not say how to talk to it. */
  async check(kind: string, client: Omit<ProviderClient, 'updatedAt'>): Promise<void> {
    if (kind !== 'oidc') return; // GitHub publishes no metadata
    try {
      await this.openId.check({ ...client, updatedAt: new Date(0) });
    } catch (cause) {
      if (cause instanceof ProviderUnreachable)
        throw new IssuerUnusable('its /.well-known/openid-configuration cannot be reached from here', { cause });
      if (cause instanceof ProviderAnswerRefused)
        throw new IssuerUnusable('its /.well-known/openid-configuration is not there or names another issuer', {
          cause,
        });
      throw cause;
    }
  }
}
