import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, toPage } from '../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { answerTenant } from './answer-tenant.js';
import { ChangePlatformSettingsDto } from './dto/change-tenant.dto.js';
import { NewTenantDto } from './dto/new-tenant.dto.js';
import { ListTenantsDto } from './dto/tenant-actions.dto.js';
import { TenantSettingsService } from './tenant-settings.service.js';
import { DEFAULT_BRAND, type OperatorTenantView, type TenantView } from './tenant-view.js';
import { TenantsService } from './tenants.service.js';

@ApiTags('admin')
@Controller('v1/admin/tenants')
export class TenantsController {
  constructor(
    private readonly tenants: TenantsService,
    private readonly settings: TenantSettingsService,
  ) {}

  @Get()
  @RequireScopes('tenants:read')
  @ApiOperation({ summary: 'Every tenant' })
  async list(@Query() query: ListTenantsDto): Promise<Page<OperatorTenantView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.tenants.list({ ...query, after, limit: query.limit + 1 });
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [row.id],
    );
  }

  @Post()
  @HttpCode(201)
  @RequireScopes('tenants:write')
  @ApiOperation({ summary: 'A new tenant with its own copy of a tier template' })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewTenantDto,
  ): Promise<{ id: string; slug: string }> {
    const brand = {
      name: body.name,
      accent: body.accent ?? DEFAULT_BRAND.accent,
      greeting: body.greeting ?? DEFAULT_BRAND.greeting,
    };
    const { slug, name, template } = body;
    return this.tenants.create({ slug, name, template, hosts: body.hosts ?? [], brand, actor: actorOf(principal) });
  }

  @Get(':id')
  @RequireScopes('tenants:read')
  @ApiOperation({ summary: 'One tenant' })
  async get(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<TenantView> {
    return answerTenant(reply, await this.tenants.row(id));
  }

  @Patch(':id')
  @RequireScopes('tenants:write')
  @ApiOperation({ summary: 'Change what the platform decides: trust ceiling, limits, hosts' })
  async change(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: ChangePlatformSettingsDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.settings.changeAsOperator(id, actorOf(principal), body, ifMatch));
  }
}
