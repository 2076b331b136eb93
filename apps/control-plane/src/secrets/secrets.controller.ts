import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page, toPage } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { ListSecretsDto, PutSecretDto, SecretOwnerQuery } from './dto/secrets.dto.js';
import { secretEtag, SecretsService, type SecretView } from './secrets.service.js';

@ApiTags('secrets')
@Controller('v1/secrets')
export class SecretsController {
  constructor(private readonly secrets: SecretsService) {}

  @Get()
  @RequireScopes('secrets:read')
  @ApiOperation({ summary: 'What secrets there are; never a value' })
  async list(@CurrentTenant() tenantId: string, @Query() query: ListSecretsDto): Promise<Page<SecretView>> {
    const { purpose, member, limit } = query;
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.secrets.list(tenantId, { purpose, member, after, limit: limit + 1 });
    return toPage(
      rows,
      limit,
      ({ view }) => view,
      ({ id }) => [id],
    );
  }

  @Get(':purpose/:name')
  @RequireScopes('secrets:read')
  @ApiOperation({ summary: 'One secret; never its value' })
  async get(
    @CurrentTenant() tenantId: string,
    @Param('purpose') purpose: string,
    @Param('name') name: string,
    @Query() { member }: SecretOwnerQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SecretView> {
    return tagged(reply, await this.secrets.get(tenantId, { purpose, name, member }));
  }

  @Put(':purpose/:name')
  @RequireScopes('secrets:write')
  @ApiOperation({ summary: 'Store a secret or replace it; it counts within seconds' })
  async put(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('purpose') purpose: string,
    @Param('name') name: string,
    @Body() { value, member }: PutSecretDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SecretView> {
    const caller = { tenantId, actor: actorOf(principal) };
    const { secret, created } = await this.secrets.put(caller, { purpose, name, member }, value, ifMatch);
    void reply.status(created ? 201 : 200);
    return tagged(reply, secret);
  }

  @Delete(':purpose/:name')
  @HttpCode(204)
  @RequireScopes('secrets:write')
  @ApiOperation({ summary: 'Delete a secret; it is out of use within seconds' })
  async delete(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('purpose') purpose: string,
    @Param('name') name: string,
    @Query() { member }: SecretOwnerQuery,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.secrets.delete({ tenantId, actor: actorOf(principal) }, { purpose, name, member }, ifMatch);
  }
}

function tagged(reply: FastifyReply, view: SecretView): SecretView {
  void reply.header('etag', secretEtag(view));
  return view;
}
