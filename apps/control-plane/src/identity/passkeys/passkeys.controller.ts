import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser, Public, SignedIn } from '../decorators.js';
import { OwnOriginGuard } from '../sign-in/own-origin.guard.js';
import { RecentProof } from '../sign-in/recent-proof.js';
import type { SignInOutcome } from '../sign-in/sign-in-flow.js';
import { SignInLimits } from '../sign-in/sign-in-limits.js';
import { AnswerDto, NewPasskeyDto, RenamePasskeyDto } from './dto/passkeys.dto.js';
import { PasskeySignInService } from './passkey-sign-in.service.js';
import { PasskeysService, type PasskeyView } from './passkeys.service.js';

@ApiTags('session')
@SignedIn()
@Controller('v1/session/passkeys')
export class PasskeysController {
  constructor(
    private readonly passkeys: PasskeysService,
    private readonly signIns: PasskeySignInService,
    private readonly proof: RecentProof,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Your passkeys, oldest first' })
  async list(@CurrentUser() { userId }: CurrentUser): Promise<{ items: PasskeyView[]; nextCursor: null }> {
    return { items: await this.passkeys.list(userId), nextCursor: null };
  }

  @Post('options')
  @HttpCode(200)
  @ApiOperation({ summary: 'What to ask the browser for to make a passkey; needs a recent proof' })
  async options(@CurrentUser() user: CurrentUser): Promise<PublicKeyCredentialCreationOptionsJSON> {
    await this.proof.require(user.sessionId);
    return this.passkeys.options(user);
  }

  @Post('verify')
  @HttpCode(201)
  @ApiOperation({ summary: 'Add the passkey that was made' })
  async verify(@CurrentUser() user: CurrentUser, @Body() body: NewPasskeyDto): Promise<PasskeyView> {
    return this.passkeys.add(user, body.credential, body.name);
  }

  @Post('prove')
  @HttpCode(200)
  @ApiOperation({ summary: 'Prove with one of your passkeys that it is still you' })
  async prove(@CurrentUser() user: CurrentUser, @Body() body: AnswerDto): Promise<{ readonly provedUntil: string }> {
    await this.signIns.prove(user.userId, body.credential);
    return this.proof.renew(user.sessionId);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Rename a passkey' })
  async rename(
    @CurrentUser() { userId }: CurrentUser,
    @Param('id') id: string,
    @Body() body: RenamePasskeyDto,
  ): Promise<PasskeyView> {
    return this.passkeys.rename(userId, id, body.name);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a passkey, never the last way to sign in; needs a recent proof' })
  async remove(@CurrentUser() user: CurrentUser, @Param('id') id: string): Promise<void> {
    await this.proof.require(user.sessionId);
    await this.passkeys.remove(user.userId, id);
  }
}

@ApiTags('session')
@Public()
@UseGuards(OwnOriginGuard)
@Controller('v1/session/passkey')
export class PasskeySignInController {
  constructor(
    private readonly signIns: PasskeySignInService,
    private readonly limits: SignInLimits,
  ) {}

  @Post('options')
  @HttpCode(200)
  @ApiOperation({ summary: 'A challenge to sign in with; the same for everybody' })
  async options(@Req() request: FastifyRequest): Promise<PublicKeyCredentialRequestOptionsJSON> {
    await this.limits.consume('challenges', request.ip);
    return this.signIns.options();
  }

  @Post('verify')
  @HttpCode(201)
  @ApiOperation({ summary: 'Sign in with a passkey' })
  async verify(
    @Body() body: AnswerDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignInOutcome> {
    await this.limits.consume('address', request.ip);
    return this.signIns.signIn(body.credential, reply);
  }
}
