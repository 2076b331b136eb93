import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayNotEmpty, IsArray, IsOptional, IsString, Length, Matches } from 'class-validator';
import { ApiKeysService, type ApiKeyView } from './api-keys.service.js';
import { RequireScopes } from './decorators.js';
import { SCOPE_PATTERN } from './principal.js';

export class NewOperatorKeyDto {
  @ApiProperty({ maxLength: 120 })
  @IsString()
  @Length(1, 120)
  name: string;

  @ApiProperty({ type: [String], example: ['members:write'] })
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(50)
  @Matches(SCOPE_PATTERN, { each: true })
  scopes: string[];

  @ApiPropertyOptional({ description: 'Id of the tenant that tenant calls with this key act on' })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  tenantId?: string;
}

/** Keys of operators, and every tenant's keys in the list. A tenant's keys are made below its tenant. */
@ApiTags('admin')
@Controller('v1/admin/keys')
export class KeysController {
  constructor(private readonly keys: ApiKeysService) {}

  @Post()
  @HttpCode(201)
  @RequireScopes('keys:write')
  @ApiOperation({ summary: 'A new operator key; shown this once' })
  async create(@Body() body: NewOperatorKeyDto): Promise<{ id: string; key: string }> {
    const { name, scopes, tenantId } = body;
    return this.keys.issue({ tenantId: null, name, scopes, ...(tenantId ? { defaultTenantId: tenantId } : {}) });
  }

  @Get()
  @RequireScopes('keys:read')
  @ApiOperation({ summary: 'Every key, newest first; never the secret' })
  async list(): Promise<{ items: ApiKeyView[]; nextCursor: null }> {
    return { items: await this.keys.list(null), nextCursor: null };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('keys:write')
  @ApiOperation({ summary: 'Revoke a key; it stops working with its next request' })
  async revoke(@Param('id') id: string): Promise<void> {
    await this.keys.revoke(null, id);
  }
}
