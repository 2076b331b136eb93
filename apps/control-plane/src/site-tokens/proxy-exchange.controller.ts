import { Body, Controller, Header, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { TokenView } from '#libs/contracts';
import { TOKEN_LIFE } from '../tokens/token-limits.js';
import { ProxyExchangeDto } from './dto/exchange-token.dto.js';
import { TokenExchangeService } from './token-exchange.service.js';

/** For proxies only: a member came to the tenant's host with a token of its membership site. */
@ApiExcludeController()
@Controller('internal/token-exchange')
export class ProxyExchangeController {
  constructor(private readonly exchanges: TokenExchangeService) {}

  /** It lives like a session, so that a socket stays open for as long as the site's token is good. */
  @Post()
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async exchange(@Body() { tenantId, token }: ProxyExchangeDto): Promise<TokenView> {
    return this.exchanges.exchange({ tenantId, token, surface: 'web', longest: TOKEN_LIFE.session });
  }
}
