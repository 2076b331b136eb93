import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { PageQuery } from '../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { RecentProofGuard } from '../identity/sign-in/recent-proof.guard.js';
import { TenantsService } from '../tenants/tenants.service.js';
import { NewKeyDto, NewOperatorKeyDto, RotateKeyDto } from './dto/new-key.dto.js';
import { pageOfKeys } from './key-page.js';
import type { KeyPage, KeyView } from './keys.repository.js';
import { type IssuedKey, KeysService } from './keys.service.js';

/** Keys of operators, and every tenant's keys. */
@ApiTags('admin')
@UseGuards(RecentProofGuard)
@Controller('v1/admin')
export class OperatorKeysController {
  constructor(
    private readonly keys: KeysService,
    private readonly tenants: TenantsService,
  ) {}

  @Get('keys')
  @RequireScopes('keys:read')
  @ApiOperation({ summary: 'Every key, newest first; never the secret' })
  async list(@Query() query: PageQuery): Promise<KeyPage> {
    return pageOfKeys(this.keys, 'anybody', query);
  }

  @Post('keys')
  @RequireScopes('keys:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A new operator key, never with more rights than yours; shown this once' })
  async create(@CurrentPrincipal() principal: Principal, @Body() body: NewOperatorKeyDto): Promise<IssuedKey> {
    const { tenantId: defaultTenantId, ...wanted } = body;
    return this.keys.create(principal, null, { ...wanted, defaultTenantId });
  }

  @Get('keys/:id')
  @RequireScopes('keys:read')
  @ApiOperation({ summary: 'One key' })
  async get(@Param('id') id: string): Promise<KeyView> {
    return this.keys.get('anybody', id);
  }

  @Delete('keys/:id')
  @HttpCode(204)
  @RequireScopes('keys:write')
  @ApiOperation({ summary: 'Revoke a key; it stops working with its next request' })
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.keys.revoke(principal, 'anybody', id);
  }

  @Post('keys/:id/rotate')
  @RequireScopes('keys:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A successor with the same settings; the old key works on for a while' })
  async rotate(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: RotateKeyDto,
  ): Promise<IssuedKey> {
    return this.keys.rotate(principal, 'anybody', id, body.overlapSeconds);
  }

  @Get('tenants/:id/keys')
  @RequireScopes('keys:read')
  @ApiOperation({ summary: 'API keys of a tenant' })
  async listOfTenant(@Param('id') id: string, @Query() query: PageQuery): Promise<KeyPage> {
    return pageOfKeys(this.keys, (await this.tenants.get(id)).id, query);
  }

  @Post('tenants/:id/keys')
  @RequireScopes('keys:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A new API key of a tenant; shown this once' })
  async createOfTenant(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: NewKeyDto,
  ): Promise<IssuedKey> {
    return this.keys.create(principal, (await this.tenants.get(id)).id, body);
  }
}
