import { Controller, Get, Header, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { MemberUsageView, QuotaTodayView, UsageView } from '#libs/contracts';
import { decodeCursor } from '../http/cursor.js';
import { CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { UsageExportDto, UsageQueryDto, UsageRangeDto } from './dto/usage-query.dto.js';
import { toCsv, toJson } from './usage-export.js';
import { UsageService } from './usage.service.js';

@ApiTags('usage')
@Controller('v1')
@RequireScopes('usage:read')
export class UsageController {
  constructor(private readonly usage: UsageService) {}

  @Get('usage')
  @ApiOperation({ summary: 'What model calls used, by day, member, workspace, tier or model' })
  async summary(@CurrentTenant() tenantId: string, @Query() query: UsageQueryDto): Promise<UsageView> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return this.usage.summary(tenantId, query, query.groupBy, { after, limit: query.limit });
  }

  @Get('usage/today')
  @ApiOperation({ summary: 'What is used and left of the tenant’s own limits today' })
  async today(@CurrentTenant() tenantId: string): Promise<QuotaTodayView> {
    return this.usage.today(tenantId);
  }

  @Get('usage/export')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Every day, member, workspace and model as CSV or JSON' })
  export(
    @CurrentTenant() tenantId: string,
    @Query() query: UsageExportDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): StreamableFile {
    const range = this.usage.exportRange(query);
    const rows = this.usage.rows(tenantId, range);
    const name = `usage-${range.from}-${range.to}.${query.format}`;
    void reply.header('content-disposition', `attachment; filename="${name}"`);
    const type = query.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json';
    return new StreamableFile(query.format === 'csv' ? toCsv(rows) : toJson(rows), { type });
  }

  @Get('members/:externalId/usage')
  @ApiOperation({ summary: 'What one member used, and what is left of today' })
  async ofMember(
    @CurrentTenant() tenantId: string,
    @Param('externalId') externalId: string,
    @Query() query: UsageRangeDto,
  ): Promise<MemberUsageView> {
    return this.usage.ofMember(tenantId, { externalId }, query);
  }
}
