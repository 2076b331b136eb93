import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { decodeCursor, type Page, toPage } from '../../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../../identity/decorators.js';
import { actorOf, type Principal } from '../../identity/principal.js';
import { ConfirmFindingsDto, ListFindingsDto } from './dto/findings.dto.js';
import { FindingsService, type FindingView } from './findings.service.js';

@ApiTags('admin')
@Controller('v1/admin/findings')
export class FindingsController {
  constructor(private readonly findings: FindingsService) {}

  @Get()
  @RequireScopes('gateways:read')
  @ApiOperation({ summary: 'What is on hosts and in no row, and what becomes of it' })
  async list(@Query() query: ListFindingsDto): Promise<Page<FindingView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.findings.list(query.state, after, query.limit + 1);
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [row.id],
    );
  }

  @Post('confirm')
  @HttpCode(200)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'They may go although there are so many of them' })
  async confirm(
    @CurrentPrincipal() principal: Principal,
    @Body() body: ConfirmFindingsDto,
  ): Promise<{ readonly confirmed: number }> {
    return this.findings.confirm(body, actorOf(principal));
  }

  @Post(':id/ignore')
  @HttpCode(200)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'Leave it alone while it is there' })
  async ignore(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<FindingView> {
    return this.findings.ignore(id, actorOf(principal));
  }
}
