import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { UsageView } from '#libs/contracts';
import { decodeCursor } from '../http/cursor.js';
import { RequireScopes } from '../identity/decorators.js';
import { UsagePageDto } from './dto/usage-query.dto.js';
import { UsageService } from './usage.service.js';

@ApiTags('admin')
@Controller('v1/admin/usage')
@RequireScopes('usage:read')
export class UsageAdminController {
  constructor(private readonly usage: UsageService) {}

  @Get()
  @ApiOperation({ summary: 'What model calls used, by tenant' })
  async byTenant(@Query() query: UsagePageDto): Promise<UsageView> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return this.usage.byTenant(query, { after, limit: query.limit });
  }
}
