import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireScopes } from '../../identity/decorators.js';
import { actorOf, type Principal } from '../../identity/principal.js';
import { QuarantineService, type QuarantineView } from './quarantine.service.js';

@ApiTags('admin')
@Controller('v1/admin/gateways')
@RequireScopes('gateways:write')
export class QuarantineController {
  constructor(private readonly quarantine: QuarantineService) {}

  @Post(':id/quarantine')
  @HttpCode(202)
  @ApiOperation({ summary: 'Hold its routes and freeze it for a look; nothing starts it until it is released' })
  async begin(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<QuarantineView> {
    return this.quarantine.begin(id, actorOf(principal));
  }

  @Post(':id/release')
  @HttpCode(202)
  @ApiOperation({ summary: 'Let a quarantined gateway serve again' })
  async release(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<QuarantineView> {
    return this.quarantine.release(id, actorOf(principal));
  }
}
