import { Body, Controller, Headers, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { answerTenant } from './answer-tenant.js';
import { CloseTenantDto, SuspendTenantDto } from './dto/tenant-actions.dto.js';
import { type LifecycleCall, TenantLifecycle } from './tenant-lifecycle.service.js';
import type { TenantView } from './tenant-view.js';

const callOf = (tenantId: string, principal: Principal, ifMatch: string | undefined): LifecycleCall => ({
  tenantId,
  actor: actorOf(principal),
  ifMatch,
});

/** What operators do to a tenant as a whole. */
@ApiTags('admin')
@Controller('v1/admin/tenants/:id')
@RequireScopes('tenants:write')
export class TenantLifecycleController {
  constructor(private readonly lifecycle: TenantLifecycle) {}

  @Post('suspend')
  @HttpCode(200)
  @ApiOperation({ summary: 'Serve nobody of the tenant from now on; keep everything' })
  async suspend(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: SuspendTenantDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.lifecycle.suspend(callOf(id, principal, ifMatch), body.reason));
  }

  @Post('resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'End a suspension' })
  async resume(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.lifecycle.resume(callOf(id, principal, ifMatch)));
  }

  @Post('close')
  @HttpCode(200)
  @ApiOperation({ summary: 'Put the tenant away; its data is erased after some days' })
  async close(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: CloseTenantDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.lifecycle.close(callOf(id, principal, ifMatch), body.eraseAfterDays));
  }

  @Post('reopen')
  @HttpCode(200)
  @ApiOperation({ summary: 'Bring a closed tenant back, as long as it is not being erased' })
  async reopen(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.lifecycle.reopen(callOf(id, principal, ifMatch)));
  }

  @Post('erase')
  @HttpCode(202)
  @ApiOperation({ summary: 'Erase a closed tenant now instead of later; there is no way back' })
  async erase(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantView> {
    return answerTenant(reply, await this.lifecycle.erase(callOf(id, principal, ifMatch)));
  }
}
