import { Body, Controller, Delete, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ControlPlaneConfig } from '#libs/config';
import { Authenticator } from './authenticator.js';
import { Public } from './decorators.js';
import { OpenSessionDto } from './dto/open-session.dto.js';
import { SessionRequired } from './identity.errors.js';
import { cookieOf } from './secrets.js';
import { type ConsoleSession, SESSION_COOKIE, SESSION_SECONDS, SessionsService } from './sessions.service.js';

const view = (session: ConsoleSession) => ({ user: session.user, expiresAt: session.expiresAt.toISOString() });

/** Signing in to the admin console. */
@ApiTags('admin session')
@Controller(['v1/session', 'v1/admin/session'])
export class SessionController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly authenticator: Authenticator,
    private readonly config: ControlPlaneConfig,
  ) {}

  @Public()
  @Post()
  @HttpCode(201)
  async open(
    @Body() body: OpenSessionDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    // Another site must not sign somebody in here either; programs send no Origin.
    if (request.headers.origin !== undefined) this.authenticator.assertOwnOrigin(request.headers);
    const session = await this.sessions.open(body.email, body.password, request.ip);
    this.#setCookie(reply, session.cookie, SESSION_SECONDS);
    return view(session);
  }

  @Public()
  @Get()
  async get(@Req() request: FastifyRequest) {
    const session = await this.sessions.find(cookieOf(request.headers.cookie, SESSION_COOKIE));
    if (!session) throw new SessionRequired();
    return view(session);
  }

  @Delete()
  @HttpCode(204)
  async close(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await this.sessions.close(cookieOf(request.headers.cookie, SESSION_COOKIE));
    this.#setCookie(reply, '', 0);
  }

  #setCookie(reply: FastifyReply, value: string, seconds: number): void {
    const secure = this.config.url.startsWith('https:') ? '; Secure' : '';
    void reply.header('cache-control', 'no-store');
    void reply.header(
      'set-cookie',
      `${SESSION_COOKIE}=${value}; Path=/v1; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`,
    );
  }
}
