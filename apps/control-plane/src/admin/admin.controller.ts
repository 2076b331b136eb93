import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { MemberView, OperationView } from '#libs/contracts';
import { decodeCursor, type Page, PageQuery, toPage } from '../http/cursor.js';
import { RequireScopes } from '../identity/decorators.js';
import { ListMembersDto } from '../members/dto/list-members.dto.js';
import type { TierView } from '../tiers/tiers.service.js';
import { AdminService, type GatewayView } from './admin.service.js';

const byId = (row: { id: string }): readonly string[] => [row.id];
const same = <T>(row: T): T => row;
const afterOf = (query: PageQuery): string | undefined => decodeCursor(query.cursor, 1)?.[0];

@ApiTags('admin')
@Controller('v1/admin')
export class AdminController {
  constructor(private readonly admin: AdminService) {}

  @Get('tiers')
  @RequireScopes('tiers:read')
  @ApiOperation({ summary: 'Every tenant’s tiers' })
  async tiers(@Query() query: PageQuery): Promise<Page<TierView>> {
    return toPage(await this.admin.listTiers(afterOf(query), query.limit + 1), query.limit, same, byId);
  }

  @Get('members')
  @RequireScopes('members:read')
  @ApiOperation({ summary: 'Members of every tenant' })
  async members(@Query() query: ListMembersDto): Promise<Page<MemberView>> {
    const rows = await this.admin.listMembers({ ...query, after: afterOf(query), limit: query.limit + 1 });
    return toPage(rows, query.limit, same, byId);
  }

  @Get('gateways')
  @RequireScopes('gateways:read')
  @ApiOperation({ summary: 'Gateways with phase and conditions' })
  async gateways(@Query() query: PageQuery): Promise<Page<GatewayView>> {
    return toPage(await this.admin.listGateways(afterOf(query), query.limit + 1), query.limit, same, byId);
  }

  @Get('operations')
  @RequireScopes('operations:read')
  @ApiOperation({ summary: 'Operations of every tenant, newest first' })
  async operations(@Query() query: PageQuery): Promise<Page<OperationView>> {
    return toPage(await this.admin.listOperations(afterOf(query), query.limit + 1), query.limit, same, byId);
  }
}
