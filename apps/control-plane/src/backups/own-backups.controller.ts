import type { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, PageQuery } from '../http/cursor.js';
import { CurrentMember } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { asArchive } from './as-archive.js';
import type { BackupView } from './backup-view.js';
import { pageOfBackups } from './backups.controller.js';
import { BackupsService } from './backups.service.js';

type Member = Extract<Principal, { kind: 'member' }>;
const callerOf = ({ tenantId, memberId }: Member) => ({ tenantId, actor: `member:${memberId}` });

@ApiTags('me')
@Controller('v1/me/backups')
export class OwnBackupsController {
  constructor(private readonly backups: BackupsService) {}

  @Get()
  @ApiOperation({ summary: 'Backups of your agent, newest first' })
  async list(@CurrentMember() member: Member, @Query() query: PageQuery): Promise<Page<BackupView>> {
    const { tenantId, memberId } = member;
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    return pageOfBackups(await this.backups.list(tenantId, { memberId }, after, query.limit + 1), query.limit);
  }

  @Post()
  @HttpCode(202)
  @ApiOperation({ summary: 'Back your agent up now' })
  async create(@CurrentMember() member: Member, @Res({ passthrough: true }) reply: FastifyReply): Promise<BackupView> {
    const backup = await this.backups.request(callerOf(member), { memberId: member.memberId }, undefined);
    void reply.header('location', `/v1/me/backups/${backup.id}`);
    return backup;
  }

  @Get(':id')
  @ApiOperation({ summary: 'One backup of your agent' })
  async get(@CurrentMember() member: Member, @Param('id') id: string): Promise<BackupView> {
    return this.backups.get(member.tenantId, { memberId: member.memberId }, id);
  }

  @Get(':id/archive')
  @ApiProduces('application/zstd')
  @ApiOperation({ summary: 'All of it, to take home, as .tar.zst' })
  async archive(
    @CurrentMember() member: Member,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readable> {
    const { memberId } = member;
    return this.backups.download(callerOf(member), { memberId }, id, (): AbortSignal => asArchive(reply, id));
  }
}
