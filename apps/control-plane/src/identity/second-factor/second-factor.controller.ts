import { Body, Controller, Delete, Get, HttpCode, Post, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentUser, Public, SignedIn } from '../decorators.js';
import { SESSION_SECONDS } from '../sessions.service.js';
import { ConsoleCookies, SESSION_COOKIE } from '../sign-in/console-cookies.js';
import { CodeDto } from '../sign-in/dto/code.dto.js';
import { OwnOriginGuard } from '../sign-in/own-origin.guard.js';
import { RecentProof } from '../sign-in/recent-proof.js';
import type { SignInOutcome } from '../sign-in/sign-in-flow.js';
import { SecondFactorSignInService } from './second-factor-sign-in.service.js';
import { type TotpSetup, TotpSetupService } from './totp-setup.service.js';
import { TotpService, type TotpView } from './totp.service.js';

@ApiTags('session')
@UseGuards(OwnOriginGuard)
@Controller('v1/session')
export class SecondFactorController {
  constructor(
    private readonly signIns: SecondFactorSignInService,
    private readonly setup: TotpSetupService,
    private readonly totp: TotpService,
    private readonly proof: RecentProof,
    private readonly cookies: ConsoleCookies,
  ) {}

  @Public()
  @Post('second-factor')
  @HttpCode(201)
  @ApiOperation({ summary: 'The code of a sign-in that wants one: from the authenticator app, or a recovery code' })
  async complete(@Body() { code }: CodeDto, @Res({ passthrough: true }) reply: FastifyReply): Promise<SignInOutcome> {
    return this.signIns.complete(code, reply);
  }

  @SignedIn()
  @Get('totp')
  @ApiOperation({ summary: 'Whether an authenticator app is set up, and how many recovery codes are left' })
  async get(@CurrentUser() { userId }: CurrentUser): Promise<TotpView> {
    return this.totp.get(userId);
  }

  @SignedIn()
  @Post('totp')
  @HttpCode(201)
  @ApiOperation({ summary: 'Begin to set up an authenticator app; needs a recent proof' })
  async begin(
    @CurrentUser() { userId, sessionId }: CurrentUser,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TotpSetup> {
    await this.proof.require(sessionId);
    void reply.header('cache-control', 'no-store');
    return this.setup.begin(userId);
  }

  @SignedIn()
  @Post('totp/confirm')
  @HttpCode(200)
  @ApiOperation({ summary: 'Turn codes on with a first one; answers the recovery codes, this once' })
  async confirm(
    @CurrentUser() { userId, sessionId }: CurrentUser,
    @Body() { code }: CodeDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ recoveryCodes: string[] }> {
    const { codes, cookie } = await this.setup.confirm(userId, sessionId, code);
    this.cookies.set(reply, SESSION_COOKIE, cookie, SESSION_SECONDS);
    return { recoveryCodes: codes };
  }

  @SignedIn()
  @Delete('totp')
  @HttpCode(204)
  @ApiOperation({ summary: 'Turn codes off; needs a recent proof' })
  async disable(@CurrentUser() { userId, sessionId }: CurrentUser): Promise<void> {
    await this.proof.require(sessionId);
    await this.totp.disable(userId);
  }

  @SignedIn()
  @Post('recovery-codes')
  @HttpCode(201)
  @ApiOperation({ summary: 'Ten new recovery codes in place of the old ones; needs a recent proof' })
  async renew(
    @CurrentUser() { userId, sessionId }: CurrentUser,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ recoveryCodes: string[] }> {
    await this.proof.require(sessionId);
    void reply.header('cache-control', 'no-store');
    return { recoveryCodes: await this.totp.renewRecoveryCodes(userId) };
  }
}
