import { Module } from '@nestjs/common';
import { TokensModule } from '../tokens/tokens.module.js';
import { ExchangeLimits } from './exchange-limits.js';
import { ProxyExchangeController } from './proxy-exchange.controller.js';
import { PublicExchange } from './public-exchange.js';
import { SharedSecretIssuerController } from './shared-secret-issuer.controller.js';
import { SharedSecretIssuersRepository } from './shared-secret-issuers.repository.js';
import { SharedSecretIssuersService } from './shared-secret-issuers.service.js';
import { SiteTokenVerifier } from './site-token.verifier.js';
import { TokenExchangeController } from './token-exchange.controller.js';
import { TokenExchangeService } from './token-exchange.service.js';

/** Tokens that a tenant's membership site signs itself, with a secret it shares with us. */
@Module({
  imports: [TokensModule],
  controllers: [SharedSecretIssuerController, TokenExchangeController, ProxyExchangeController],
  providers: [
    ExchangeLimits,
    PublicExchange,
    SharedSecretIssuersRepository,
    SharedSecretIssuersService,
    SiteTokenVerifier,
    TokenExchangeService,
  ],
})
export class SiteTokensModule {}
