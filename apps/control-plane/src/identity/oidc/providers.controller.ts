import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, RequireScopes } from '../decorators.js';
import { EverythingGuard } from '../everything.guard.js';
import { actorOf, type Principal } from '../principal.js';
import { RecentProofGuard } from '../sign-in/recent-proof.guard.js';
import { ChangeProviderDto, NewProviderDto } from './dto/provider.dto.js';
import { providerEtag, ProvidersService, type ProviderView } from './providers.service.js';

function answer(reply: FastifyReply, provider: ProviderView): ProviderView {
  void reply.header('etag', providerEtag(provider));
  return provider;
}

/** Which identity providers the consoles offer. */
@ApiTags('identity providers')
@UseGuards(RecentProofGuard)
@Controller('v1/admin/identity-providers')
export class ProvidersController {
  constructor(private readonly providers: ProvidersService) {}

  @Get()
  @RequireScopes('providers:read')
  @ApiOperation({ summary: 'Every identity provider, oldest first; never a secret' })
  async list(): Promise<{ items: ProviderView[]; nextCursor: null }> {
    return { items: await this.providers.list(), nextCursor: null };
  }

  @Post()
  @UseGuards(EverythingGuard)
  @HttpCode(201)
  @RequireScopes('providers:write')
  @ApiOperation({ summary: 'Offer an identity provider: a preset, or any OpenID Connect issuer' })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewProviderDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProviderView> {
    return answer(reply, await this.providers.create(actorOf(principal), body));
  }

  @Get(':id')
  @RequireScopes('providers:read')
  @ApiOperation({ summary: 'One identity provider' })
  async get(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<ProviderView> {
    return answer(reply, await this.providers.get(id));
  }

  @Patch(':id')
  @UseGuards(EverythingGuard)
  @RequireScopes('providers:write')
  @ApiOperation({ summary: 'Change it; another issuer removes the accounts that were linked' })
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: ChangeProviderDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProviderView> {
    return answer(reply, await this.providers.update(actorOf(principal), id, body, ifMatch));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('providers:write')
  @ApiOperation({ summary: 'Remove it with the accounts that were linked through it' })
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.providers.delete(actorOf(principal), id);
  }
}
