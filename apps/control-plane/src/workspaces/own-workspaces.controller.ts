import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, PageQuery } from '../http/cursor.js';
import { CurrentMember } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { answerWorkspace, pageOf } from './answer-workspace.js';
import { ChangeWorkspaceDto, SetWorkspaceRoleDto } from './dto/workspaces.dto.js';
import { asMember } from './workspace-caller.js';
import { type WorkspaceMemberView, WorkspaceMembersService } from './workspace-members.service.js';
import { WorkspacesService, type WorkspaceView } from './workspaces.service.js';

type Member = Extract<Principal, { kind: 'member' }>;

/** A member's workspaces, with the rules of the member's role in each. */
@ApiTags('me')
@Controller('v1/me/workspaces')
export class OwnWorkspacesController {
  constructor(
    private readonly workspaces: WorkspacesService,
    private readonly members: WorkspaceMembersService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Workspaces where you have a role' })
  async list(@CurrentMember() member: Member, @Query() query: PageQuery): Promise<Page<WorkspaceView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return pageOf(await this.workspaces.listOwn(asMember(member), { after, limit: query.limit + 1 }), query.limit);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One workspace' })
  async get(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WorkspaceView> {
    return answerWorkspace(reply, await this.workspaces.get(asMember(member), id));
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change its name or stage (owner, admin)' })
  async change(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Body() body: ChangeWorkspaceDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WorkspaceView> {
    return answerWorkspace(reply, await this.workspaces.change(asMember(member), id, body, ifMatch));
  }

  @Get(':id/members')
  @ApiOperation({ summary: 'Who is in it (all but guests)' })
  async listMembers(@CurrentMember() member: Member, @Param('id') id: string): Promise<Page<WorkspaceMemberView>> {
    return { items: await this.members.list(asMember(member), id), nextCursor: null };
  }

  @Put(':id/members/:memberId')
  @HttpCode(204)
  @ApiOperation({ summary: 'Change somebody’s role (owner, admin); owner hands the workspace over (owner)' })
  async setRole(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Param('memberId') memberId: string,
    @Body() body: SetWorkspaceRoleDto,
  ): Promise<void> {
    await this.members.setRole(asMember(member), id, memberId, body.role);
  }

  @Delete(':id/members/:memberId')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove somebody (owner, admin), or leave with your own id' })
  async remove(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Param('memberId') memberId: string,
  ): Promise<void> {
    await this.members.remove(asMember(member), id, memberId);
  }
}
