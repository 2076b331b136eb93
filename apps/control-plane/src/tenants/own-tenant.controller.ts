import { Body, Controller, Get, Headers, HttpCode, Patch, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { ChangeTenantDto } from './dto/change-tenant.dto.js';
import { answerTenant } from './answer-tenant.js';
import { TenantLifecycle } from './tenant-lifecycle.service.js';
import { TenantSettingsService } from './tenant-settings.service.js';
import { TenantsService } from './tenants.service.js';
import type { TenantView } from './tenant-view.js';

/** A tenant's own settings. */
@ApiTags('tenant')
@Controller('v1/tenant')
export class OwnTenantController {
  constructor(
    private readonly tenants: TenantsService,
    private readonly settings: TenantSettingsService,
    private readonly lifecycle: TenantLifecycle,
  ) {}

  @Get()
  @RequireScopes('tenant:read')
  @ApiOperation({ summary: 'The tenant that you act for' })
  async get(@CurrentTenant() tenantId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<TenantView> {
    return answerTenant(reply, await this.tenants.own(tenantId));
  }

  @Patch()
  @RequireScopes('tenant:write')
  @ApiOperation({ summary: 'Change name, brand, time zone, locale or the trust ceiling' })
  async change(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: ChangeTenantDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.settings.change(tenantId, actorOf(principal), body, ifMatch));
  }

  @Post('close')
  @HttpCode(200)
  @RequireScopes('tenant:close')
  @ApiOperation({ summary: 'Close the tenant (owners): nobody is served, and its data is erased after a time' })
  async close(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    const call = { tenantId, actor: actorOf(principal), ifMatch, own: true };
    return answerTenant(reply, await this.lifecycle.close(call));
  }
}
