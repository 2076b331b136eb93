import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { MemberUsageView } from '#libs/contracts';
import { CurrentPrincipal } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { UsageRangeDto } from './dto/usage-query.dto.js';
import { UsageService } from './usage.service.js';

@ApiTags('me')
@Controller('v1/me')
export class OwnUsageController {
  constructor(private readonly usage: UsageService) {}

  @Get('usage')
  @ApiOperation({ summary: 'What you used, and what is left of today' })
  async own(
    @CurrentPrincipal() principal: Extract<Principal, { kind: 'member' }>,
    @Query() query: UsageRangeDto,
  ): Promise<MemberUsageView> {
    return this.usage.ofMember(principal.tenantId, { id: principal.memberId }, query);
  }
}
