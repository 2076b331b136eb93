import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { GatewaysService } from './gateways.service.js';

export class LogQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 1000, default: 200 })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1000)
  lines: number = 200;
}

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

  @Get(':id/logs')
  @RequireScopes('gateways:read')
  @ApiOperation({ summary: 'The last lines of its output' })
  async logs(@Param('id') id: string, @Query() query: LogQuery): Promise<{ lines: string[] }> {
    return { lines: await this.gateways.logs(id, query.lines) };
  }
}
