import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { OperationView } from '#libs/contracts';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AgentMovesService } from './agent-moves.service.js';
import { MoveAgentDto } from './dto/host.dto.js';

@ApiTags('admin')
@Controller('v1/admin/agents')
export class AgentMovesController {
  constructor(private readonly moves: AgentMovesService) {}

  @Post(':id/move')
  @HttpCode(202)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'Move an agent with all it has to another gateway, on a host of choice or any' })
  async move(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() { hostId }: MoveAgentDto,
  ): Promise<OperationView> {
    return this.moves.move(id, actorOf(principal), hostId);
  }
}
