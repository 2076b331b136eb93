import { Controller, Get, Param, Query, Req, Res, UseFilters } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser, Public, SignedIn } from '../decorators.js';
import { OriginRefused } from '../identity.errors.js';
import { RecentProof } from '../sign-in/recent-proof.js';
import { SignInLimits } from '../sign-in/sign-in-limits.js';
import { consolePath } from './console-path.js';
import { FederatedSignInService } from './federated-sign-in.service.js';
import { ToConsoleFilter } from './to-console.filter.js';

const RETURN_TO = { name: 'returnTo', required: false, description: 'A path of the console, /admin/…' } as const;

/** Addresses that browsers are sent to; every answer is a redirect, errors to `/admin/#error=<code>`. */
@ApiTags('session')
@UseFilters(ToConsoleFilter)
@Controller('v1/session/oidc/:key')
export class OidcController {
  constructor(
    private readonly signIns: FederatedSignInService,
    private readonly limits: SignInLimits,
    private readonly proof: RecentProof,
  ) {}

  @Public()
  @Get('start')
  @ApiQuery(RETURN_TO)
  @ApiOperation({ summary: 'Sign in with an identity provider' })
  async start(
    @Param('key') key: string,
    @Query('returnTo') returnTo: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.limits.consume('address', request.ip);
    const path = consolePath(typeof returnTo === 'string' ? returnTo : undefined);
    redirect(reply, await this.signIns.begin(key, path, null, reply));
  }

  @SignedIn()
  @Get('link')
  @ApiQuery(RETURN_TO)
  @ApiOperation({ summary: 'Link an account at an identity provider to whoever is signed in' })
  async link(
    @Param('key') key: string,
    @Query('returnTo') returnTo: unknown,
    @CurrentUser() user: CurrentUser,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    // The session's cookie is SameSite=Strict already; a link must not begin anywhere but in the console.
    const site = request.headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin') throw new OriginRefused();
    await this.proof.require(user.sessionId);
    const path = consolePath(typeof returnTo === 'string' ? returnTo : undefined, '/admin/#security');
    redirect(reply, await this.signIns.begin(key, path, user, reply));
  }

  @Public()
  @Get('callback')
  @ApiOperation({ summary: 'Where identity providers send browsers back to' })
  async callback(@Param('key') key: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    redirect(reply, await this.signIns.end(key, request, reply));
  }
}

/** The address carries codes: nothing keeps it, and nobody is told of it. */
function redirect(reply: FastifyReply, address: string): void {
  void reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(address, 302);
}
