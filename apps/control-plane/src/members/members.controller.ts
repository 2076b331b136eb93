import { Body, Controller, Get, Headers, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, toPage } from '../http/cursor.js';
import { currentRequest } from '../http/request-context.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import type { MemberView } from '#libs/contracts';
import { ListMembersDto } from './dto/list-members.dto.js';
import { PutMemberDto } from './dto/put-member.dto.js';
import { memberEtag } from './members.repository.js';
import { type Caller, type MemberAction, type MemberChange, MembersService } from './members.service.js';

const callerOf = (tenantId: string, principal: Principal): Caller => ({
  tenantId,
  actor: actorOf(principal),
  requestId: currentRequest()?.requestId,
});

/** 202 while there is something to do, 200 when everything is as asked already. */
export function answerChange(reply: FastifyReply, change: MemberChange): MemberChange {
  const { member, operation } = change;
  void reply.header('etag', memberEtag(member));
  void reply.status(operation ? 202 : 200);
  if (operation) void reply.header('location', `/v1/operations/${operation.id}`);
  return change;
}

@ApiTags('members')
@Controller('v1/members')
export class MembersController {
  constructor(private readonly members: MembersService) {}

  @Put(':externalId')
  @RequireScopes('members:write')
  @ApiOperation({ summary: 'Create or change a member; the agent follows' })
  async put(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Body() body: PutMemberDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberChange> {
    return answerChange(reply, await this.members.put(callerOf(tenantId, principal), externalId, body, ifMatch));
  }

  @Get(':externalId')
  @RequireScopes('members:read')
  @ApiOperation({ summary: 'One member' })
  async get(
    @CurrentTenant() tenantId: string,
    @Param('externalId') externalId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberView> {
    const member = await this.members.get(tenantId, externalId);
    void reply.header('etag', memberEtag(member));
    return member;
  }

  @Get()
  @RequireScopes('members:read')
  @ApiOperation({ summary: 'Members, oldest first' })
  async list(@CurrentTenant() tenantId: string, @Query() query: ListMembersDto): Promise<Page<MemberView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.members.list(tenantId, { ...query, after, limit: query.limit + 1 });
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [row.id],
    );
  }

  @Post(':externalId/pause')
  @HttpCode(202)
  @RequireScopes('members:write')
  @ApiOperation({ summary: 'Stop answering; keep everything' })
  async pause(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberChange> {
    return this.#act(tenantId, principal, externalId, 'pause', reply);
  }

  @Post(':externalId/resume')
  @HttpCode(202)
  @RequireScopes('members:write')
  @ApiOperation({ summary: 'Answer again, with everything that was kept' })
  async resume(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberChange> {
    return this.#act(tenantId, principal, externalId, 'resume', reply);
  }

  @Post(':externalId/cancel')
  @HttpCode(202)
  @RequireScopes('members:write')
  @ApiOperation({ summary: 'End the membership; data is kept' })
  async cancel(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberChange> {
    return this.#act(tenantId, principal, externalId, 'cancel', reply);
  }

  @Post(':externalId/erase')
  @HttpCode(202)
  @RequireScopes('members:write')
  @ApiOperation({ summary: 'Delete everything about the member for good' })
  async erase(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberChange> {
    return this.#act(tenantId, principal, externalId, 'erase', reply);
  }

  async #act(
    tenantId: string,
    principal: Principal,
    externalId: string,
    action: MemberAction,
    reply: FastifyReply,
  ): Promise<MemberChange> {
    return answerChange(reply, await this.members.act(callerOf(tenantId, principal), externalId, action));
  }
}
