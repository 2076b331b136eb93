import { Body, Controller, Delete, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { HostReasonDto, LostHostDto } from './dto/host.dto.js';
import { HostActionsService } from './host-actions.service.js';
import type { HostView } from './host-view.js';

@ApiTags('admin')
@Controller('v1/admin/hosts')
export class HostActionsController {
  constructor(private readonly actions: HostActionsService) {}

  @Post(':id/cordon')
  @HttpCode(200)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'Nothing new comes to it; a drain is ended' })
  async cordon(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() { reason }: HostReasonDto,
  ): Promise<HostView> {
    return this.actions.cordon(id, actorOf(principal), reason);
  }

  @Post(':id/uncordon')
  @HttpCode(200)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'It takes new gateways again' })
  async uncordon(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<HostView> {
    return this.actions.uncordon(id, actorOf(principal));
  }

  @Post(':id/drain')
  @HttpCode(202)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'Everything leaves it, with all it has; `drain` of the host tells how far it is' })
  async drain(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() { reason }: HostReasonDto,
  ): Promise<HostView> {
    return this.actions.drain(id, actorOf(principal), reason);
  }

  @Post(':id/lost')
  @HttpCode(202)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'It is gone: its agents begin elsewhere from their last backups' })
  async lose(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() { reason, startEmpty }: LostHostDto,
  ): Promise<HostView> {
    return this.actions.lose(id, actorOf(principal), startEmpty ?? false, reason);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'Remove an empty host, or a lost one whose agents are elsewhere, for good' })
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.actions.remove(id, actorOf(principal));
  }
}
