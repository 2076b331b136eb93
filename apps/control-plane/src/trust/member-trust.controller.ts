import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { PAGE_LIMITS, PageQuery } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { DowngradeDto, InviteToTrustDto } from './dto/trust.dto.js';
import { MemberTrustService, type MemberTrustView } from './member-trust.service.js';
import { TrustCaps } from './trust-caps.js';
import { type TrustInvitationView, TrustInvitationsService } from './trust-invitations.service.js';

@ApiTags('trust')
@Controller('v1/members/:externalId')
export class MemberTrustController {
  constructor(
    private readonly trust: MemberTrustService,
    private readonly caps: TrustCaps,
    private readonly invitations: TrustInvitationsService,
  ) {}

  @Get('trust')
  @RequireScopes('trust:read')
  @ApiOperation({ summary: 'How far a member may go, why, and how it came to that (newest change first)' })
  async get(
    @CurrentTenant() tenantId: string,
    @Param('externalId') externalId: string,
    @Query() query: PageQuery,
  ): Promise<MemberTrustView> {
    return this.trust.get(tenantId, externalId, query);
  }

  @Post('trust/downgrade')
  @HttpCode(200)
  @RequireScopes('trust:write')
  @ApiOperation({ summary: 'Hold a member at a lower mode; older tokens end' })
  async downgrade(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Body() body: DowngradeDto,
  ): Promise<MemberTrustView> {
    const { mode, reason } = body;
    const until = body.until === undefined ? null : new Date(body.until);
    await this.caps.downgrade({ tenantId, actor: actorOf(principal) }, externalId, { mode, until, reason });
    return this.trust.get(tenantId, externalId, { limit: PAGE_LIMITS.default });
  }

  @Post('trust/lift')
  @HttpCode(200)
  @RequireScopes('trust:write')
  @ApiOperation({ summary: 'End a downgrade' })
  async lift(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
  ): Promise<MemberTrustView> {
    await this.caps.lift({ tenantId, actor: actorOf(principal) }, externalId);
    return this.trust.get(tenantId, externalId, { limit: PAGE_LIMITS.default });
  }

  @Post('trust-invitations')
  @RequireScopes('trust:write')
  @ApiOperation({ summary: 'Invite a member to mode 2; the code is shown this once' })
  async invite(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Body() body: InviteToTrustDto,
  ): Promise<TrustInvitationView & { readonly code: string }> {
    return this.invitations.create({ tenantId, actor: actorOf(principal) }, externalId, body);
  }
}
