import { Body, Controller, Delete, Get, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser, Public, SignedIn } from '../decorators.js';
import { SessionRequired } from '../identity.errors.js';
import { SessionsService } from '../sessions.service.js';
import { ConsoleCookies, SESSION_COOKIE } from './console-cookies.js';
import { OpenSessionDto } from './dto/open-session.dto.js';
import { OwnOriginGuard } from './own-origin.guard.js';
import { PasswordSignInService } from './password-sign-in.service.js';
import { type SessionView, SessionViews } from './session-views.js';
import type { SignInOutcome } from './sign-in-flow.js';

/** The session of a console. `/v1/admin/session` is its older address and stays. */
@ApiTags('session')
@UseGuards(OwnOriginGuard)
@Controller(['v1/session', 'v1/admin/session'])
export class SessionController {
  constructor(
    private readonly passwords: PasswordSignInService,
    private readonly sessions: SessionsService,
    private readonly views: SessionViews,
    private readonly cookies: ConsoleCookies,
  ) {}

  @Public()
  @Post()
  @HttpCode(201)
  @ApiOperation({ summary: 'Sign in with e-mail and password' })
  async open(
    @Body() { email, password }: OpenSessionDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignInOutcome> {
    return this.passwords.signIn(email, password, request, reply);
  }

  @Public()
  @Get()
  @ApiOperation({ summary: 'Who is signed in, and what for' })
  async get(@Req() request: FastifyRequest): Promise<SessionView> {
    const session = await this.sessions.find(this.cookies.read(request.headers, SESSION_COOKIE));
    if (!session) throw new SessionRequired();
    return this.views.of(session);
  }

  @SignedIn()
  @Delete()
  @HttpCode(204)
  @ApiOperation({ summary: 'Sign out' })
  async close(
    @CurrentUser() { userId, sessionId }: CurrentUser,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.sessions.close(userId, sessionId);
    this.cookies.clear(reply, SESSION_COOKIE);
  }
}
