import { Module, type OnModuleInit } from '@nestjs/common';
import { MailModule } from '../../mail/mail.module.js';
import { IdentityModule } from '../identity.module.js';
import { SignInMethods } from '../sign-in/sign-in-methods.js';
import { AccountsService } from './accounts.service.js';
import { FederatedSignInService } from './federated-sign-in.service.js';
import { GitHubProvider } from './github-provider.js';
import { IdentitiesController } from './identities.controller.js';
import { IdentitiesService } from './identities.service.js';
import { OidcController } from './oidc.controller.js';
import { OpenIdProvider } from './openid-provider.js';
import { ProviderClients } from './provider-clients.js';
import { ProviderHttp } from './provider-http.js';
import { ProvidersController } from './providers.controller.js';
import { ProvidersRepository } from './providers.repository.js';
import { ProvidersService } from './providers.service.js';
import { RoundTrips } from './round-trips.js';
import { WaysToSignIn } from './ways-to-sign-in.js';

/** Signing in to the consoles with an account elsewhere. */
@Module({
  imports: [IdentityModule, MailModule],
  controllers: [OidcController, IdentitiesController, ProvidersController],
  providers: [
    AccountsService,
    FederatedSignInService,
    GitHubProvider,
    IdentitiesService,
    OpenIdProvider,
    ProviderClients,
    ProviderHttp,
    ProvidersRepository,
    ProvidersService,
    RoundTrips,
    WaysToSignIn,
  ],
  exports: [WaysToSignIn],
})
export class OidcModule implements OnModuleInit {
  constructor(
    private readonly methods: SignInMethods,
    private readonly providers: ProvidersRepository,
  ) {}

  onModuleInit(): void {
    this.methods.register(async () => {
      const rows = await this.providers.list({ enabled: true });
      return { providers: rows.map(({ key, name }) => ({ key, name })) };
    });
  }
}
