import { Controller, Get, Param, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { RequireScopes } from '../../identity/decorators.js';
import { DiagnosticsService, type DiagnosticsView, type GatewayMetricsView } from './diagnostics.service.js';

@ApiTags('admin')
@Controller('v1/admin/gateways')
@RequireScopes('gateways:read')
export class DiagnosticsController {
  constructor(private readonly diagnostics: DiagnosticsService) {}

  @Get(':id/diagnostics')
  @ApiOperation({ summary: 'Everything that is known of it, and what is wrong in sentences' })
  async diagnose(@Param('id') id: string, @Req() request: FastifyRequest): Promise<DiagnosticsView> {
    return this.diagnostics.diagnose(id, request.signal);
  }

  @Get(':id/metrics')
  @ApiOperation({ summary: 'What it uses now, and what it bore when it said so last' })
  async metrics(@Param('id') id: string, @Req() request: FastifyRequest): Promise<GatewayMetricsView> {
    return this.diagnostics.metrics(id, request.signal);
  }
}
