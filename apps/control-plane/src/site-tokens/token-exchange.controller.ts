import { Body, Controller, Header, Ip, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { TokenView } from '#libs/contracts';
import { Public } from '../identity/decorators.js';
import { ExchangeTokenDto } from './dto/exchange-token.dto.js';
import { PublicExchange } from './public-exchange.js';

/** Public: the token is the credential, and says nothing without the tenant's secret. */
@ApiTags('tokens')
@Controller('v1/tokens/exchange')
@Public()
export class TokenExchangeController {
  constructor(private readonly exchanges: PublicExchange) {}

  @Post()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: "Exchange a membership site's own HS256 token for a member token" })
  async exchange(@Ip() address: string, @Body() body: ExchangeTokenDto): Promise<TokenView> {
    return this.exchanges.exchange(address, body);
  }
}
