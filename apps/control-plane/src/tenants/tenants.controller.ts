import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { NewTenantDto, NewTenantKeyDto } from './dto/new-tenant.dto.js';
import { TenantsService } from './tenants.service.js';

const DEFAULT_ACCENT = '#3b5bdb';
const DEFAULT_GREETING = 'What are we working on today?';

@ApiTags('admin')
@Controller('v1/admin/tenants')
export class TenantsController {
  constructor(
    private readonly tenants: TenantsService,
    private readonly keys: ApiKeysService,
  ) {}

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
      accent: body.accent ?? DEFAULT_ACCENT,
      greeting: body.greeting ?? DEFAULT_GREETING,
    };
    const { slug, name, template } = body;
    return this.tenants.create({ slug, name, template, hosts: body.hosts ?? [], brand, actor: actorOf(principal) });
  }

  @Post(':id/keys')
  @HttpCode(201)
  @RequireScopes('keys:write')
  @ApiOperation({ summary: 'A new API key of a tenant; shown this once' })
  async createKey(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: NewTenantKeyDto,
  ): Promise<{ id: string; key: string }> {
    await this.tenants.get(id);
    const issued = await this.keys.issue({ tenantId: id, name: body.name, scopes: body.scopes });
    await this.tenants.recordKey(id, issued.id, actorOf(principal));
    return issued;
  }
}
