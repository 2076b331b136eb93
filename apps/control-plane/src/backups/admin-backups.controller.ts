import { Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page } from '../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AdminBackupsService, type BackupCheck } from './admin-backups.service.js';
import type { AdminBackupView } from './backup-view.js';
import { pageOfBackups } from './backups.controller.js';
import { ListBackupsDto } from './dto/backups.dto.js';

function untilGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(new Error('the caller is gone')));
  return gone.signal;
}

@ApiTags('admin')
@Controller('v1/admin')
export class AdminBackupsController {
  constructor(private readonly backups: AdminBackupsService) {}

  @Get('backups')
  @RequireScopes('backups:read')
  @ApiOperation({ summary: 'Backups of every tenant, newest first' })
  async list(@Query() query: ListBackupsDto): Promise<Page<AdminBackupView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return pageOfBackups(await this.backups.list({ ...query, after, limit: query.limit + 1 }), query.limit);
  }

  @Post('backups/:id/verify')
  @HttpCode(200)
  @RequireScopes('backups:write')
  @ApiOperation({ summary: 'Read all of a backup and compare every file with its manifest' })
  async verify(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BackupCheck> {
    return this.backups.verify(id, actorOf(principal), untilGone(reply));
  }

  @Post('gateways/:id/backup')
  @HttpCode(202)
  @RequireScopes('backups:write')
  @ApiOperation({ summary: 'Back up every agent of a gateway now' })
  async gateway(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<{ backups: readonly AdminBackupView[] }> {
    return { backups: await this.backups.backUpGateway(id, actorOf(principal)) };
  }
}
