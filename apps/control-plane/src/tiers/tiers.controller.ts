import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { type TierView, TiersService } from './tiers.service.js';

@ApiTags('tiers')
@Controller('v1/tiers')
export class TiersController {
  constructor(private readonly tiers: TiersService) {}

  @Get()
  @RequireScopes('members:read')
  @ApiOperation({ summary: 'The tenant’s tiers, lowest first' })
  async list(@CurrentTenant() tenantId: string): Promise<{ items: TierView[]; nextCursor: null }> {
    return { items: await this.tiers.list(tenantId), nextCursor: null };
  }
}
