import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { RefusedKeyDto, ResealedKeyDto } from './dto/provider-keys.dto.js';
import { ProviderKeysService } from './provider-keys.service.js';

/** For proxies only: the access guard asks for their credential below /internal. */
@ApiExcludeController()
@Controller('internal/provider-keys')
export class ProviderKeysController {
  constructor(private readonly keys: ProviderKeysService) {}

  @Post('refused')
  @HttpCode(204)
  async refused(@Body() { id, version }: RefusedKeyDto): Promise<void> {
    await this.keys.refused(id, version);
  }

  @Post('reseal')
  @HttpCode(200)
  async reseal(@Body() { id, version, jwe }: ResealedKeyDto): Promise<{ version: number }> {
    return this.keys.reseal(id, version, jwe);
  }
}
