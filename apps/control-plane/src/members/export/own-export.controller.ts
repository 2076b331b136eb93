import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentMember } from '../../identity/decorators.js';
import type { Principal } from '../../identity/principal.js';
import { asDocument } from './as-document.js';
import { MemberExportsService } from './member-exports.service.js';

@ApiTags('me')
@Controller('v1/me/export')
export class OwnExportController {
  constructor(private readonly exports: MemberExportsService) {}

  @Get()
  @ApiProduces('application/json')
  @ApiOperation({ summary: 'What is known of you, as a file' })
  async get(
    @CurrentMember() member: Extract<Principal, { kind: 'member' }>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return asDocument(reply, await this.exports.own(member.tenantId, member.memberId));
  }
}
