import { Body, Controller, Header, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { TokenView } from '#libs/contracts';
import { InvalidRequest } from '../http/http.errors.js';
import { currentRequest } from '../http/request-context.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { IssueTokenDto } from './dto/issue-token.dto.js';
import { RevokeTokenDto } from './dto/revoke-token.dto.js';
import { PersonalIssues } from './personal-issues.js';
import { RevocationsService } from './revocations.service.js';
import { type SignInLink, SignInService } from './sign-in.service.js';
import { TokensService } from './tokens.service.js';

@ApiTags('tokens')
@Controller('v1')
@RequireScopes('tokens:write')
export class TokensController {
  constructor(
    private readonly tokens: TokensService,
    private readonly revocations: RevocationsService,
    private readonly signIn: SignInService,
    private readonly personal: PersonalIssues,
  ) {}

  @Post('tokens')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A short-lived token for one member, and where to use it' })
  async issue(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: IssueTokenDto,
  ): Promise<TokenView> {
    await this.personal.record(principal, tenantId, body.member, 'token.issue');
    return this.tokens.issue(tenantId, body);
  }

  @Post('tokens/revoke')
  @HttpCode(204)
  @ApiOperation({ summary: 'End one token, every token a member has now, or every token of the tenant' })
  async revoke(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: RevokeTokenDto,
  ): Promise<void> {
    const caller = { tenantId, actor: actorOf(principal), requestId: currentRequest()?.requestId };
    const { jti, member, all } = body;
    if ([jti, member, all].filter((given) => given !== undefined).length !== 1)
      throw new InvalidRequest([{ field: 'jti', message: 'give exactly one of jti, member and all' }]);
    if (jti !== undefined) return this.revocations.revokeToken(caller, jti);
    return member === undefined
      ? this.revocations.revokeEveryone(caller)
      : this.revocations.revokeMember(caller, member);
  }

  @Post('members/:externalId/sign-in-links')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'A one-time link that signs the member in to the chat page' })
  async createLink(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('externalId') externalId: string,
  ): Promise<SignInLink> {
    await this.personal.record(principal, tenantId, externalId, 'sign-in-link.create');
    return this.signIn.createLink(tenantId, externalId);
  }
}
