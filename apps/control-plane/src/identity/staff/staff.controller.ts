import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  Res,
  UseGuards,
} from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Page, PageQuery } from '../../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../decorators.js';
import type { Principal } from '../principal.js';
import { RecentProofGuard } from '../sign-in/recent-proof.guard.js';
import { AddStaffDto, ChangeStaffDto } from './dto/staff.dto.js';
import type { InvitationView } from './invited-users.js';
import { staffEtag, StaffService, type StaffView } from './staff.service.js';

@ApiTags('staff')
@UseGuards(RecentProofGuard)
@Controller('v1/staff')
export class StaffController {
  constructor(private readonly staff: StaffService) {}

  @Get()
  @RequireScopes('staff:read')
  @ApiOperation({ summary: 'Who works here' })
  async list(@CurrentTenant() tenantId: string, @Query() query: PageQuery): Promise<Page<StaffView>> {
    return this.staff.list(tenantId, query);
  }

  @Post()
  @HttpCode(201)
  @RequireScopes('staff:write')
  @ApiOperation({ summary: 'Give somebody a role here; who is new is invited by mail' })
  async add(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: AddStaffDto,
  ): Promise<{ readonly staff: StaffView; readonly invitation: InvitationView | null }> {
    return this.staff.add(tenantId, principal, body);
  }

  @Post(':userId/invitation')
  @HttpCode(202)
  @RequireScopes('staff:write')
  @ApiOperation({ summary: 'Invite somebody once more who has not signed in yet; the link before dies' })
  async inviteAgain(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('userId') userId: string,
  ): Promise<{ readonly invitation: InvitationView | null }> {
    return { invitation: await this.staff.inviteAgain(tenantId, principal, userId) };
  }

  @Patch(':userId')
  @RequireScopes('staff:write')
  @ApiOperation({ summary: "Change somebody's role; a lower one ends their sessions" })
  async setRole(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('userId') userId: string,
    @Body() { role }: ChangeStaffDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StaffView> {
    const view = await this.staff.setRole(tenantId, principal, userId, role, ifMatch);
    void reply.header('etag', staffEtag(view));
    return view;
  }

  @Delete(':userId')
  @HttpCode(204)
  @RequireScopes('staff:write')
  @ApiOperation({ summary: 'Take the role away; their sessions end' })
  async remove(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('userId') userId: string,
  ): Promise<void> {
    await this.staff.remove(tenantId, principal, userId);
  }
}
