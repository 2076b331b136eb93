import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { decodeCursor, type Page, PageQuery } from '../http/cursor.js';
import { CurrentMember } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { pageOf } from './answer-workspace.js';
import { AcceptOwnInvitationDto, InviteDto } from './dto/workspaces.dto.js';
import { asMember } from './workspace-caller.js';
import {
  type InvitationView,
  type JoinedView,
  type NewInvitationView,
  WorkspaceInvitationsService,
} from './workspace-invitations.service.js';

type Member = Extract<Principal, { kind: 'member' }>;

/** Inviting and joining, by members themselves. */
@ApiTags('me')
@Controller('v1/me')
export class OwnInvitationsController {
  constructor(private readonly invitations: WorkspaceInvitationsService) {}

  @Get('workspaces/:id/invitations')
  @ApiOperation({ summary: 'Invitations to a workspace (owner, admin)' })
  async list(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<Page<InvitationView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return pageOf(await this.invitations.list(asMember(member), id, after, query.limit + 1), query.limit);
  }

  @Post('workspaces/:id/invitations')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Invite somebody (owner, admin); the code is shown this once' })
  async invite(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Body() body: InviteDto,
  ): Promise<NewInvitationView> {
    return this.invitations.invite(asMember(member), id, body.role, body.email);
  }

  @Delete('workspaces/:id/invitations/:invitationId')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an open invitation (owner, admin)' })
  async revoke(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Param('invitationId') invitationId: string,
  ): Promise<void> {
    await this.invitations.revoke(asMember(member), id, invitationId);
  }

  @Post('invitations/accept')
  @HttpCode(200)
  @ApiOperation({ summary: 'Join a workspace with the code of an invitation' })
  async accept(@CurrentMember() member: Member, @Body() body: AcceptOwnInvitationDto): Promise<JoinedView> {
    return this.invitations.accept(asMember(member), member.memberId, body.code);
  }
}
