import { Controller, Get, Header } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../identity/decorators.js';
import { SigningKeysService } from './signing-keys.service.js';

@ApiTags('tokens')
@Controller('.well-known')
@Public()
export class JwksController {
  constructor(private readonly keys: SigningKeysService) {}

  @Get('jwks.json')
  @Header('cache-control', 'public, max-age=60')
  @ApiOperation({ summary: 'The keys that member tokens are verified with' })
  async get(): Promise<{ readonly keys: readonly Record<string, unknown>[] }> {
    return this.keys.jwks();
  }
}
