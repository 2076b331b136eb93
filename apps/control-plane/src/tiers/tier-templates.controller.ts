import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequireScopes } from '../identity/decorators.js';
import { TiersService, type TierTemplateView } from './tiers.service.js';

@ApiTags('tiers')
@Controller('v1/tier-templates')
export class TierTemplatesController {
  constructor(private readonly tiers: TiersService) {}

  @Get()
  @RequireScopes('tiers:read')
  @ApiOperation({ summary: 'Ready-made sets of tiers to start from' })
  async list(): Promise<{ items: TierTemplateView[]; nextCursor: null }> {
    return { items: await this.tiers.templates(), nextCursor: null };
  }
}
