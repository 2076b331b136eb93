import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { decodeCursor, type Page, PageQuery } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { pageOf } from './answer-workspace.js';
import { AcceptInvitationDto, InviteDto } from './dto/workspaces.dto.js';
import { asTenant } from './workspace-caller.js';
import {
  type InvitationView,
  type JoinedView,
  type NewInvitationView,
  WorkspaceInvitationsService,
} from './workspace-invitations.service.js';

/** Invitations to workspaces, server to server. */
@ApiTags('workspaces')
@Controller('v1')
export class WorkspaceInvitationsController {
  constructor(private readonly invitations: WorkspaceInvitationsService) {}

  @Get('workspaces/:id/invitations')
  @RequireScopes('workspaces:read')
  @ApiOperation({ summary: 'Invitations to a workspace, newest first; never the code' })
  async list(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<Page<InvitationView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.invitations.list(asTenant(tenantId, principal), id, after, query.limit + 1);
    return pageOf(rows, query.limit);
  }

  @Post('workspaces/:id/invitations')
  @RequireScopes('workspaces:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Invite somebody; the code is shown this once and works for 7 days' })
  async invite(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: InviteDto,
  ): Promise<NewInvitationView> {
    return this.invitations.invite(asTenant(tenantId, principal), id, body.role, body.email);
  }

  @Delete('workspaces/:id/invitations/:invitationId')
  @HttpCode(204)
  @RequireScopes('workspaces:write')
  @ApiOperation({ summary: 'Revoke an open invitation' })
  async revoke(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Param('invitationId') invitationId: string,
  ): Promise<void> {
    await this.invitations.revoke(asTenant(tenantId, principal), id, invitationId);
  }

  @Post('invitations/accept')
  @HttpCode(200)
  @RequireScopes('workspaces:write')
  @ApiOperation({ summary: 'Accept an invitation on a member’s behalf' })
  async accept(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: AcceptInvitationDto,
  ): Promise<JoinedView> {
    return this.invitations.acceptFor(asTenant(tenantId, principal), body.member, body.code);
  }
}
