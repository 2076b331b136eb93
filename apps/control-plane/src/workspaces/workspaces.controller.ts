import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { answerWorkspace, pageOf } from './answer-workspace.js';
import { ChangeWorkspaceDto, ListWorkspacesDto, SetWorkspaceRoleDto } from './dto/workspaces.dto.js';
import { asTenant } from './workspace-caller.js';
import { type WorkspaceMemberView, WorkspaceMembersService } from './workspace-members.service.js';
import { WorkspacesService, type WorkspaceView } from './workspaces.service.js';

/** Workspaces as the tenant sees them, server to server: it may what an owner may. */
@ApiTags('workspaces')
@Controller('v1/workspaces')
export class WorkspacesController {
  constructor(
    private readonly workspaces: WorkspacesService,
    private readonly members: WorkspaceMembersService,
  ) {}

  @Get()
  @RequireScopes('workspaces:read')
  @ApiOperation({ summary: 'Workspaces, oldest first' })
  async list(@CurrentTenant() tenantId: string, @Query() query: ListWorkspacesDto): Promise<Page<WorkspaceView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const { member, limit } = query;
    return pageOf(await this.workspaces.list(tenantId, { member, after, limit: limit + 1 }), limit);
  }

  @Get(':id')
  @RequireScopes('workspaces:read')
  @ApiOperation({ summary: 'One workspace' })
  async get(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WorkspaceView> {
    return answerWorkspace(reply, await this.workspaces.get(asTenant(tenantId, principal), id));
  }

  @Patch(':id')
  @RequireScopes('workspaces:write')
  @ApiOperation({ summary: 'Change its name or stage' })
  async change(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: ChangeWorkspaceDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WorkspaceView> {
    return answerWorkspace(reply, await this.workspaces.change(asTenant(tenantId, principal), id, body, ifMatch));
  }

  @Get(':id/members')
  @RequireScopes('workspaces:read')
  @ApiOperation({ summary: 'Who is in it, as what' })
  async listMembers(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<Page<WorkspaceMemberView>> {
    return { items: await this.members.list(asTenant(tenantId, principal), id), nextCursor: null };
  }

  @Put(':id/members/:memberId')
  @HttpCode(204)
  @RequireScopes('workspaces:write')
  @ApiOperation({ summary: 'Give a member a role in it; owner hands it over' })
  async setRole(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Param('memberId') memberId: string,
    @Body() body: SetWorkspaceRoleDto,
  ): Promise<void> {
    await this.members.setRole(asTenant(tenantId, principal), id, memberId, body.role);
  }

  @Delete(':id/members/:memberId')
  @HttpCode(204)
  @RequireScopes('workspaces:write')
  @ApiOperation({ summary: 'Remove a member from it' })
  async remove(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Param('memberId') memberId: string,
  ): Promise<void> {
    await this.members.remove(asTenant(tenantId, principal), id, memberId);
  }
}
