import type { Readable } from 'node:stream';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { OperationView } from '#libs/contracts';
import { decodeCursor, type Page, PageQuery, toPage } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { asArchive } from './as-archive.js';
import type { BackupView } from './backup-view.js';
import { BackupsService } from './backups.service.js';
import { NewBackupDto, RestoreBackupDto } from './dto/backups.dto.js';
import { RestoresService } from './restores.service.js';

export const pageOfBackups = <T extends { readonly id: string }>(rows: readonly T[], limit: number): Page<T> =>
  toPage(
    rows,
    limit,
    (row) => row,
    (row) => [row.id],
  );

@ApiTags('backups')
@Controller('v1/members/:externalId/backups')
export class BackupsController {
  constructor(
    private readonly backups: BackupsService,
    private readonly restores: RestoresService,
  ) {}

  @Get()
  @RequireScopes('backups:read')
  @ApiOperation({ summary: 'Backups of a member’s agent, newest first' })
  async list(
    @CurrentTenant() tenantId: string,
    @Param('externalId') externalId: string,
    @Query() query: PageQuery,
  ): Promise<Page<BackupView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return pageOfBackups(await this.backups.list(tenantId, { externalId }, after, query.limit + 1), query.limit);
  }

  @Post()
  @HttpCode(202)
  @RequireScopes('backups:write')
  @ApiOperation({ summary: 'Back the agent up now' })
  async create(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Body() body: NewBackupDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BackupView> {
    const caller = { tenantId, actor: actorOf(principal) };
    const backup = await this.backups.request(caller, { externalId }, body.keepDays);
    void reply.header('location', `/v1/members/${encodeURIComponent(externalId)}/backups/${backup.id}`);
    return backup;
  }

  @Get(':id')
  @RequireScopes('backups:read')
  @ApiOperation({ summary: 'One backup' })
  async get(
    @CurrentTenant() tenantId: string,
    @Param('externalId') externalId: string,
    @Param('id') id: string,
  ): Promise<BackupView> {
    return this.backups.get(tenantId, { externalId }, id);
  }

  @Get(':id/archive')
  @RequireScopes('backups:restore')
  @ApiProduces('application/zstd')
  @ApiOperation({ summary: 'All of it, decrypted, as .tar.zst' })
  async archive(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readable> {
    const caller = { tenantId, actor: actorOf(principal) };
    return this.backups.download(caller, { externalId }, id, (): AbortSignal => asArchive(reply, id));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('backups:write')
  @ApiOperation({ summary: 'Delete a backup for good' })
  async remove(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Param('id') id: string,
  ): Promise<void> {
    await this.backups.remove({ tenantId, actor: actorOf(principal) }, { externalId }, id);
  }

  @Post(':id/restore')
  @HttpCode(202)
  @RequireScopes('backups:restore')
  @ApiOperation({
    summary: 'Make the agent, or another member’s, what it was then; what is there now is backed up first',
  })
  async restore(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
    @Param('id') backupId: string,
    @Body() body: RestoreBackupDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ operation: OperationView }> {
    const caller = { tenantId, actor: actorOf(principal) };
    const operation = await this.restores.request(caller, { externalId, backupId, ...body });
    void reply.header('location', `/v1/operations/${operation.id}`);
    return { operation };
  }
}
