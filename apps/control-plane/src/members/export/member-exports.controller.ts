import { Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { OperationView } from '#libs/contracts';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../../identity/decorators.js';
import { actorOf, type Principal } from '../../identity/principal.js';
import { asDocument } from './as-document.js';
import { MemberExportsService } from './member-exports.service.js';

@ApiTags('members')
@Controller('v1')
export class MemberExportsController {
  constructor(private readonly exports: MemberExportsService) {}

  @Post('members/:externalId/export')
  @HttpCode(202)
  @RequireScopes('members:write')
  @ApiOperation({ summary: 'Put together what is known of a member; the result is a link' })
  async request(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ operation: OperationView }> {
    const operation = await this.exports.request({ tenantId, actor: actorOf(principal) }, externalId);
    void reply.header('location', `/v1/operations/${operation.id}`);
    return { operation };
  }

  @Get('exports/:id')
  @RequireScopes('members:read')
  @ApiProduces('application/json')
  @ApiOperation({ summary: 'The document of a finished export, for 7 days' })
  async fetch(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return asDocument(reply, await this.exports.fetch({ tenantId, actor: actorOf(principal) }, id));
  }
}
