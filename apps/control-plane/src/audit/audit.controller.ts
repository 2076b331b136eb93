import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Page } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AuditVerificationService } from './audit-verification.service.js';
import type { ChainReport } from './audit-verifier.js';
import type { AuditEntryView } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { asDownload } from './download.js';
import { AuditExportDto, AuditQueryDto } from './dto/audit-query.dto.js';
import { VerifyOwnAuditDto } from './dto/verify-audit.dto.js';

/** A tenant's own audit log. */
@ApiTags('audit')
@Controller('v1/audit')
@RequireScopes('audit:read')
export class AuditController {
  constructor(
    private readonly audit: AuditService,
    private readonly verification: AuditVerificationService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Who did what, newest first' })
  async list(@CurrentTenant() tenantId: string, @Query() query: AuditQueryDto): Promise<Page<AuditEntryView>> {
    return this.audit.list({ by: 'tenant', tenantId }, query);
  }

  @Get('export')
  @ApiProduces('application/x-ndjson', 'text/csv')
  @ApiOperation({ summary: 'The log as a file, oldest first' })
  async export(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Query() query: AuditExportDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readable> {
    const wanted = { ...query, actorOfExport: actorOf(principal) };
    return this.audit.export({ by: 'tenant', tenantId }, wanted, asDownload(reply, query.format));
  }

  @Get('verify')
  @ApiOperation({
    summary: 'Whether every line is as it was written; its seq and hash are an anchor to keep elsewhere',
  })
  async verify(@CurrentTenant() tenantId: string, @Query() query: VerifyOwnAuditDto): Promise<ChainReport> {
    return this.verification.verify(tenantId, query.anchor);
  }
}
