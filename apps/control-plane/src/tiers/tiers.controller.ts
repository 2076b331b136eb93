import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, PageQuery, toPage } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { ApplyTemplateDto, NewTierDto, PutTierDto, toContent } from './dto/tier.dto.js';
import { TierChangesService, tierEtag } from './tier-changes.service.js';
import { type TierPreview, TierPreviewService } from './tier-preview.service.js';
import { TierVersionsService, type TierVersionView } from './tier-versions.service.js';
import { TiersService, type TierView } from './tiers.service.js';

const tagged = (reply: FastifyReply, tier: TierView): TierView => {
  void reply.header('etag', tierEtag(tier));
  return tier;
};

@ApiTags('tiers')
@Controller('v1/tiers')
export class TiersController {
  constructor(
    private readonly tiers: TiersService,
    private readonly versions: TierVersionsService,
    private readonly changes: TierChangesService,
    private readonly previews: TierPreviewService,
  ) {}

  @Get()
  @RequireScopes('tiers:read')
  @ApiOperation({ summary: 'The tenant’s tiers, lowest first' })
  async list(@CurrentTenant() tenantId: string): Promise<{ items: TierView[]; nextCursor: null }> {
    return { items: await this.tiers.list(tenantId), nextCursor: null };
  }

  @Post()
  @RequireScopes('tiers:write')
  @ApiOperation({ summary: 'A new tier' })
  async create(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewTierDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TierView> {
    const caller = { tenantId, actor: actorOf(principal) };
    return tagged(reply, await this.changes.create(caller, body.key, toContent(body)));
  }

  @Post('apply-template')
  @HttpCode(200)
  @RequireScopes('tiers:write')
  @ApiOperation({ summary: 'Add those of a template’s tiers whose keys are missing' })
  async applyTemplate(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: ApplyTemplateDto,
  ): Promise<{ added: readonly string[] }> {
    return { added: await this.changes.applyTemplate({ tenantId, actor: actorOf(principal) }, body.template) };
  }

  @Get(':key')
  @RequireScopes('tiers:read')
  @ApiOperation({ summary: 'One tier' })
  async get(
    @CurrentTenant() tenantId: string,
    @Param('key') key: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TierView> {
    return tagged(reply, await this.versions.get(tenantId, key));
  }

  @Get(':key/versions')
  @RequireScopes('tiers:read')
  @ApiOperation({ summary: 'What a tier was, newest first' })
  async listVersions(
    @CurrentTenant() tenantId: string,
    @Param('key') key: string,
    @Query() query: PageQuery,
  ): Promise<Page<TierVersionView>> {
    const [cursor] = decodeCursor(query.cursor, 1) ?? [];
    const before = cursor === undefined ? undefined : Number(cursor) || 1;
    const rows = await this.versions.list(tenantId, key, { before, limit: query.limit + 1 });
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [String(row.version)],
    );
  }

  @Post(':key/preview')
  @HttpCode(200)
  @RequireScopes('tiers:read')
  @ApiOperation({ summary: 'What PUT with this body would do, to whom; changes nothing' })
  async preview(
    @CurrentTenant() tenantId: string,
    @Param('key') key: string,
    @Body() body: PutTierDto,
  ): Promise<TierPreview> {
    return this.previews.preview(tenantId, key, toContent(body));
  }

  @Put(':key')
  @RequireScopes('tiers:write')
  @ApiOperation({ summary: 'Change a tier; gateways, tokens and placements of its members follow' })
  async put(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('key') key: string,
    @Body() body: PutTierDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TierView> {
    const caller = { tenantId, actor: actorOf(principal) };
    return tagged(reply, await this.changes.put(caller, key, toContent(body), ifMatch));
  }

  @Delete(':key')
  @HttpCode(204)
  @RequireScopes('tiers:write')
  @ApiOperation({ summary: 'Retire a tier: members keep it, nobody else gets it' })
  async retire(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('key') key: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.changes.retire({ tenantId, actor: actorOf(principal) }, key, ifMatch);
  }

  @Post(':key/restore')
  @HttpCode(200)
  @RequireScopes('tiers:write')
  @ApiOperation({ summary: 'Offer a retired tier again' })
  async restore(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('key') key: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TierView> {
    return tagged(reply, await this.changes.restore({ tenantId, actor: actorOf(principal) }, key));
  }
}
