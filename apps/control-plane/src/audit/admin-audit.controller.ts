import { Body, Controller, Get, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Page } from '../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AuditVerificationService } from './audit-verification.service.js';
import type { ChainReport } from './audit-verifier.js';
import type { AuditEntryView } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { asDownload } from './download.js';
import { AdminAuditExportDto, AdminAuditQueryDto } from './dto/audit-query.dto.js';
import { VerifyAuditDto } from './dto/verify-audit.dto.js';

/** Every tenant's audit log, and the platform's own. */
@ApiTags('admin')
@Controller('v1/admin/audit')
@RequireScopes('audit:read')
export class AdminAuditController {
  constructor(
    private readonly audit: AuditService,
    private readonly verification: AuditVerificationService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Who did what, newest first: of one tenant, of the platform, or of all' })
  async list(@Query() query: AdminAuditQueryDto): Promise<Page<AuditEntryView>> {
    return this.audit.list({ by: 'operator', tenantId: query.tenantId }, query);
  }

  @Get('export')
  @ApiProduces('application/x-ndjson', 'text/csv')
  @ApiOperation({ summary: 'The log as a file, oldest first' })
  async export(
    @CurrentPrincipal() principal: Principal,
    @Query() query: AdminAuditExportDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readable> {
    const { tenantId, ...filter } = query;
    const wanted = { ...filter, actorOfExport: actorOf(principal) };
    return this.audit.export({ by: 'operator', tenantId }, wanted, asDownload(reply, query.format));
  }

  @Post('verify')
  @HttpCode(200)
  @ApiOperation({ summary: 'Whether every line of one chain is as it was written' })
  async verify(@Body() body: VerifyAuditDto): Promise<ChainReport> {
    return this.verification.verifyAny(body.tenantId, body.anchor);
  }
}
