import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { decodeCursor, type Page, PAGE_LIMITS, toPage } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AcceptInvitationDto, ListTrustInvitationsDto } from './dto/trust.dto.js';
import { InvitationAcceptance } from './invitation-acceptance.js';
import { MemberTrustService, type MemberTrustView } from './member-trust.service.js';
import { type TrustInvitationView, TrustInvitationsService } from './trust-invitations.service.js';

@ApiTags('trust')
@Controller('v1/trust-invitations')
export class TrustInvitationsController {
  constructor(
    private readonly invitations: TrustInvitationsService,
    private readonly acceptance: InvitationAcceptance,
    private readonly trust: MemberTrustService,
  ) {}

  @Get()
  @RequireScopes('trust:read')
  @ApiOperation({ summary: 'Invitations to a higher trust mode, newest first' })
  async list(
    @CurrentTenant() tenantId: string,
    @Query() query: ListTrustInvitationsDto,
  ): Promise<Page<TrustInvitationView>> {
    const [before] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.invitations.list(tenantId, { member: query.member, before, limit: query.limit + 1 });
    return toPage(
      rows,
      query.limit,
      (row) => row.view,
      (row) => [row.id],
    );
  }

  @Post('accept')
  @HttpCode(200)
  @RequireScopes('trust:write')
  @ApiOperation({ summary: 'Take up an invitation on the member’s behalf' })
  async accept(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: AcceptInvitationDto,
  ): Promise<MemberTrustView> {
    await this.acceptance.acceptFor({ tenantId, actor: actorOf(principal) }, body.member, body.code);
    return this.trust.get(tenantId, body.member, { limit: PAGE_LIMITS.default });
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('trust:write')
  @ApiOperation({ summary: 'Revoke an open invitation' })
  async revoke(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<void> {
    await this.invitations.revoke({ tenantId, actor: actorOf(principal) }, id);
  }
}
