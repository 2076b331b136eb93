import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { UpgradeDto } from './dto/rollouts.dto.js';
import { GatewayUpgradesService } from './gateway-upgrades.service.js';

@ApiTags('admin')
@Controller('v1/admin/gateways')
export class GatewayUpgradesController {
  constructor(private readonly upgrades: GatewayUpgradesService) {}

  @Post(':id/upgrade')
  @HttpCode(202)
  @RequireScopes('gateways:write')
  @ApiOperation({
    summary: 'Bring one gateway to an image: rehearsed on a copy, and taken back with its data if it is not well',
  })
  async upgrade(
    @CurrentPrincipal() by: Principal,
    @Param('id') id: string,
    @Body() body: UpgradeDto,
  ): Promise<{ accepted: true }> {
    await this.upgrades.upgrade(id, body.image, actorOf(by));
    return { accepted: true };
  }
}
