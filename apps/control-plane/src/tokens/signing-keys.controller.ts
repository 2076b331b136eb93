import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { RotateSigningKeysDto } from './dto/rotate-signing-keys.dto.js';
import { SigningKeyRotation, type SigningKeyView } from './signing-key-rotation.js';

interface SigningKeyList {
  readonly items: readonly SigningKeyView[];
  readonly nextCursor: null;
}

/** The keys that member tokens are signed with. There are never more than a handful. */
@ApiTags('admin')
@Controller('v1/admin/signing-keys')
export class SigningKeysController {
  constructor(private readonly rotation: SigningKeyRotation) {}

  @Get()
  @RequireScopes('signing-keys:read')
  @ApiOperation({ summary: 'The key set: which key signs, which only verifies, which waits' })
  async list(): Promise<SigningKeyList> {
    return { items: await this.rotation.list(), nextCursor: null };
  }

  @Post('rotate')
  @HttpCode(200)
  @RequireScopes('signing-keys:write')
  @ApiOperation({ summary: 'Publish the next key, or with `immediately` replace every key and end every member token' })
  async rotate(@CurrentPrincipal() principal: Principal, @Body() body: RotateSigningKeysDto): Promise<SigningKeyList> {
    return { items: await this.rotation.rotate(actorOf(principal), body.immediately ?? false), nextCursor: null };
  }
}
