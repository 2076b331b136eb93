import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { PageQuery } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { RecentProofGuard } from '../identity/sign-in/recent-proof.guard.js';
import { NewKeyDto, RotateKeyDto } from './dto/new-key.dto.js';
import { pageOfKeys } from './key-page.js';
import type { KeyPage, KeyView } from './keys.repository.js';
import { type IssuedKey, KeysService } from './keys.service.js';

/** A tenant's own API keys. */
@ApiTags('api keys')
@UseGuards(RecentProofGuard)
@Controller('v1/keys')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  @Get()
  @RequireScopes('keys:read')
  @ApiOperation({ summary: 'API keys, newest first; never the secret' })
  async list(@CurrentTenant() tenantId: string, @Query() query: PageQuery): Promise<KeyPage> {
    return pageOfKeys(this.keys, tenantId, query);
  }

  @Post()
  @RequireScopes('keys:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A new API key, never with more rights than yours; shown this once' })
  async create(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewKeyDto,
  ): Promise<IssuedKey> {
    return this.keys.create(principal, tenantId, body);
  }

  @Get(':id')
  @RequireScopes('keys:read')
  @ApiOperation({ summary: 'One API key' })
  async get(@CurrentTenant() tenantId: string, @Param('id') id: string): Promise<KeyView> {
    return this.keys.get(tenantId, id);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('keys:write')
  @ApiOperation({ summary: 'Revoke a key; it stops working with its next request' })
  async revoke(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<void> {
    await this.keys.revoke(principal, tenantId, id);
  }

  @Post(':id/rotate')
  @RequireScopes('keys:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A successor with the same settings; the old key works on for a while' })
  async rotate(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: RotateKeyDto,
  ): Promise<IssuedKey> {
    return this.keys.rotate(principal, tenantId, id, body.overlapSeconds);
  }
}
