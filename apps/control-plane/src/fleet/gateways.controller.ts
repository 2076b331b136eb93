import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { GatewaysService } from './gateways.service.js';

@ApiTags('admin')
@Controller('v1/admin/gateways')
export class GatewaysController {
  constructor(private readonly gateways: GatewaysService) {}

  @Post(':id/restart')
  @HttpCode(202)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'Replace the gateway’s process; its state is kept' })
  async restart(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<{ accepted: true }> {
    await this.gateways.restart(id, actorOf(principal));
    return { accepted: true };
  }
}
