import { Injectable } from '@nestjs/common';
import type { TokenView } from '#libs/contracts';
import { Database } from '#libs/database';
import type { Surface } from '#libs/trust';
import { TOKEN_LIFE } from '../tokens/token-limits.js';
import { ExchangeLimits } from './exchange-limits.js';
import { SiteTokenInvalid } from './site-tokens.errors.js';
import { TokenExchangeService } from './token-exchange.service.js';

/**
 * Exchanges for whoever asks. The caller names the tenant: `iss` is optional, is the tenant's own choice and would have to be
 * believed before the token is verified. A wrong name only means that the wrong secret does not fit.
 */
@Injectable()
export class PublicExchange {
  constructor(
    private readonly database: Database,
    private readonly exchanges: TokenExchangeService,
    private readonly limits: ExchangeLimits,
  ) {}

  async exchange(
    address: string,
    request: { readonly tenant: string; readonly token: string; readonly surface?: Surface },
  ): Promise<TokenView> {
    const { tenant: slug, token, surface = 'web' } = request;
    await this.limits.count(address, slug);
    const tenant = await this.database.system((tx) => tx.tenant.findUnique({ where: { slug }, select: { id: true } }));
    if (!tenant) throw new SiteTokenInvalid();
    return this.exchanges.exchange({ tenantId: tenant.id, token, surface, longest: TOKEN_LIFE.max });
  }
}
