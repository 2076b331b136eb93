import { Body, Controller, Get, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../decorators.js';
import { AcceptInvitationDto, EmailDto, LinkTokenDto, ResetPasswordDto } from './dto/links.dto.js';
import { LinkSignInService } from './link-sign-in.service.js';
import { MailedLinksService } from './mailed-links.service.js';
import { OwnOriginGuard } from './own-origin.guard.js';
import { PasswordsService } from './passwords.service.js';
import type { SignInOutcome } from './sign-in-flow.js';
import { SignInMethods, type SignInMethodsView } from './sign-in-methods.js';

/** Ways to sign in beside the password, for anybody. */
@ApiTags('session')
@Public()
@UseGuards(OwnOriginGuard)
@Controller('v1/session')
export class SignInController {
  constructor(
    private readonly offered: SignInMethods,
    private readonly links: MailedLinksService,
    private readonly signIns: LinkSignInService,
    private readonly passwords: PasswordsService,
  ) {}

  @Get('methods')
  @ApiOperation({ summary: 'The ways to sign in that are offered here' })
  async methods(): Promise<SignInMethodsView> {
    return this.offered.list();
  }

  @Post('magic-links')
  @HttpCode(202)
  @ApiOperation({ summary: 'Mail a sign-in link; the answer is the same whether the address is known' })
  async askMagicLink(@Body() { email }: EmailDto, @Req() request: FastifyRequest): Promise<void> {
    await this.links.request('magic-link', email, request.ip);
  }

  @Post('magic-link')
  @HttpCode(201)
  @ApiOperation({ summary: 'Sign in with a mailed link' })
  async magicLink(
    @Body() { token }: LinkTokenDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignInOutcome> {
    return this.signIns.magicLink(token, reply);
  }

  @Post('password-reset')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Mail a link to choose a new password; the answer is the same whether the address is known',
  })
  async askPasswordReset(@Body() { email }: EmailDto, @Req() request: FastifyRequest): Promise<void> {
    await this.links.request('password-reset', email, request.ip);
  }

  @Post('password-reset/complete')
  @HttpCode(204)
  @ApiOperation({ summary: 'Choose a new password with a mailed link; every session ends' })
  async resetPassword(@Body() { token, password }: ResetPasswordDto): Promise<void> {
    await this.passwords.reset('password-reset', token, password);
  }

  @Post('invitation')
  @HttpCode(201)
  @ApiOperation({ summary: 'Accept an invitation: choose a password or do without, and be signed in' })
  async acceptInvitation(
    @Body() body: AcceptInvitationDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignInOutcome> {
    return this.signIns.invitation(body, reply);
  }
}
