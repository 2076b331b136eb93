import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, PageQuery, toPage } from '../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { ChangeHostDto, NewHostDto } from './dto/host.dto.js';
import type { HostView } from './host-view.js';
import { type Answered, HostsAdminService } from './hosts-admin.service.js';

const answered = (reply: FastifyReply, { view, etag }: Answered): HostView => {
  void reply.header('etag', etag);
  return view;
};

@ApiTags('admin')
@Controller('v1/admin/hosts')
export class HostsController {
  constructor(private readonly hosts: HostsAdminService) {}

  @Get()
  @RequireScopes('hosts:read')
  @ApiOperation({ summary: 'Every host with what is on it' })
  async list(@Query() query: PageQuery): Promise<Page<HostView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.hosts.list(after, query.limit + 1);
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [row.id],
    );
  }

  @Post()
  @HttpCode(201)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'Register a host; it is tried with a gateway first' })
  async register(
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewHostDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HostView> {
    return answered(reply, await this.hosts.register(actorOf(principal), body));
  }

  @Get(':id')
  @RequireScopes('hosts:read')
  @ApiOperation({ summary: 'One host' })
  async get(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<HostView> {
    return answered(reply, await this.hosts.get(id));
  }

  @Patch(':id')
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'Change name, labels, capacity, or how it is reached (tried first)' })
  async change(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: ChangeHostDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HostView> {
    return answered(reply, await this.hosts.change(id, actorOf(principal), body, ifMatch));
  }

  @Post(':id/probe')
  @HttpCode(200)
  @RequireScopes('hosts:write')
  @ApiOperation({ summary: 'Try it again with a gateway that is nobody’s' })
  async probe(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HostView> {
    return answered(reply, await this.hosts.tryAgain(id, actorOf(principal)));
  }
}
