import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Query, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Page, PageQuery } from '../../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../decorators.js';
import type { Principal } from '../principal.js';
import { RecentProofGuard } from '../sign-in/recent-proof.guard.js';
import { AdminUsersService, type AdminUserView, userEtag } from './admin-users.service.js';
import { ChangeUserDto, NewUserDto } from './dto/staff.dto.js';
import type { InvitationView } from './invited-users.js';

@ApiTags('admin')
@UseGuards(RecentProofGuard)
@Controller('v1/admin/users')
export class AdminUsersController {
  constructor(private readonly users: AdminUsersService) {}

  @Get()
  @RequireScopes('users:read')
  @ApiOperation({ summary: 'Everybody who can sign in to a console, newest first' })
  async list(@Query() query: PageQuery): Promise<Page<AdminUserView>> {
    return this.users.list(query);
  }

  @Post()
  @HttpCode(201)
  @RequireScopes('users:write')
  @ApiOperation({ summary: 'A new user, invited by mail; without mail the answer has the link to hand over' })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewUserDto,
  ): Promise<{ readonly user: AdminUserView; readonly invitation: InvitationView | null }> {
    return this.users.create(principal, body);
  }

  @Get(':id')
  @RequireScopes('users:read')
  @ApiOperation({ summary: 'One user' })
  async get(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<AdminUserView> {
    const user = await this.users.get(id);
    void reply.header('etag', userEtag(user));
    return user;
  }

  @Post(':id/invitation')
  @HttpCode(202)
  @RequireScopes('users:write')
  @ApiOperation({ summary: 'Invite somebody once more who has not signed in yet; the link before dies' })
  async inviteAgain(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<{ readonly invitation: InvitationView | null }> {
    return { invitation: await this.users.inviteAgain(principal, id) };
  }

  @Patch(':id')
  @RequireScopes('users:write')
  @ApiOperation({ summary: 'Change name or role, disable or enable; the last operator stays' })
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: ChangeUserDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AdminUserView> {
    const user = await this.users.update(principal, id, body, ifMatch);
    void reply.header('etag', userEtag(user));
    return user;
  }
}
