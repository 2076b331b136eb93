import { Body, Controller, Header, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { SignInResult } from '#libs/contracts';
import { ExchangeCodeDto } from './dto/exchange-code.dto.js';
import { SignOutDto } from './dto/sign-out.dto.js';
import { RevocationsService } from './revocations.service.js';
import { SignInService } from './sign-in.service.js';

/** For proxies only: the access guard asks for their credential below /internal. */
@ApiExcludeController()
@Controller('internal/sign-in')
export class SignInController {
  constructor(
    private readonly signIn: SignInService,
    private readonly revocations: RevocationsService,
  ) {}

  @Post('exchange')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async exchange(@Body() body: ExchangeCodeDto): Promise<SignInResult> {
    return this.signIn.exchange(body.tenantId, body.code);
  }

  /** The proxy has verified the token; it only ever ends that one. */
  @Post('sign-out')
  @HttpCode(204)
  async signOut(@Body() { tenantId, ...token }: SignOutDto): Promise<void> {
    await this.revocations.signOut(tenantId, token);
  }
}
