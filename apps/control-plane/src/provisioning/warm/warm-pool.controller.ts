import { Body, Controller, Get, Headers, Put, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, RequireScopes } from '../../identity/decorators.js';
import { actorOf, type Principal } from '../../identity/principal.js';
import { WarmPoolDto } from './dto/warm-pool.dto.js';
import { type WarmPoolAnswer, WarmPoolService } from './warm-pool.service.js';
import type { WarmPoolView } from './warm-pool.view.js';

/** The view, with the version that a change can ask for in `If-Match`. */
function answered(reply: FastifyReply, { view, etag }: WarmPoolAnswer): WarmPoolView {
  void reply.header('etag', etag);
  return view;
}

@ApiTags('admin')
@Controller('v1/admin/warm-pool')
export class WarmPoolController {
  constructor(private readonly pool: WarmPoolService) {}

  @Get()
  @RequireScopes('gateways:read')
  @ApiOperation({ summary: 'Gateways made ahead: how many are wanted, how many there are, and what is in the way' })
  async get(@Res({ passthrough: true }) reply: FastifyReply): Promise<WarmPoolView> {
    return answered(reply, await this.pool.get());
  }

  @Put()
  @RequireScopes('gateways:write')
  @ApiOperation({
    summary: 'Decide how many gateways are made ahead, when and for whom; what is left out gets its default',
  })
  async put(
    @CurrentPrincipal() principal: Principal,
    @Body() body: WarmPoolDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WarmPoolView> {
    return answered(reply, await this.pool.put(body, actorOf(principal), ifMatch));
  }
}
