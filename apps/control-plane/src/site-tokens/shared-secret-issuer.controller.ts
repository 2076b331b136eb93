import { Body, Controller, Delete, Get, Header, Headers, HttpCode, Put, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { PutSharedSecretIssuerDto } from './dto/put-shared-secret-issuer.dto.js';
import { type IssuerView, SharedSecretIssuersService, tagOf } from './shared-secret-issuers.service.js';

@ApiTags('tokens')
@Controller('v1/shared-secret-issuer')
export class SharedSecretIssuerController {
  constructor(private readonly issuers: SharedSecretIssuersService) {}

  @Get()
  @RequireScopes('tokens:read')
  @ApiOperation({ summary: "How the membership site's own tokens are accepted; never the secret" })
  async get(@CurrentTenant() tenantId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<IssuerView> {
    return withTag(reply, await this.issuers.get(tenantId));
  }

  @Put()
  @Header('cache-control', 'no-store')
  @RequireScopes('tokens:write', 'secrets:write')
  @ApiOperation({ summary: "Accept the membership site's own HS256 tokens; a secret that is made here is shown once" })
  async put(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: PutSharedSecretIssuerDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuerView> {
    return withTag(reply, await this.issuers.put({ tenantId, actor: actorOf(principal) }, body, ifMatch));
  }

  @Delete()
  @HttpCode(204)
  @RequireScopes('tokens:write', 'secrets:write')
  @ApiOperation({ summary: "Accept the membership site's tokens no more, and end every token of the tenant" })
  async remove(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.issuers.remove({ tenantId, actor: actorOf(principal) }, ifMatch);
  }
}

function withTag(reply: FastifyReply, view: IssuerView): IssuerView {
  void reply.header('etag', tagOf(view));
  return view;
}
