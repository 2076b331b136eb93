import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { currentRequest } from '../http/request-context.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { ScopeMissing } from '../identity/identity.errors.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { type MemberChange, MembersService } from '../members/members.service.js';
import { OlderProvisioningDto } from './dto/older-provisioning.dto.js';

/** The provisioning call of plugins from before `PUT /v1/members`: the same upsert, in the operator key's own tenant. */
@ApiTags('members')
@Controller('v1/tenants')
export class OlderProvisioningController {
  constructor(private readonly members: MembersService) {}

  @Post()
  @HttpCode(201)
  @RequireScopes('members:write')
  @ApiOperation({
    summary: 'Older provisioning call (operator key); use PUT /v1/members/{externalId}',
    deprecated: true,
  })
  async provision(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: OlderProvisioningDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberChange> {
    if (principal.kind !== 'operator') throw new ScopeMissing('operator');
    const caller = { tenantId, actor: actorOf(principal), requestId: currentRequest()?.requestId };
    // The older call knows no e-mail address; a reserved domain keeps anything from ever being sent there.
    const email = `${body.user_id.replaceAll(/[^\w.+-]/g, '-').slice(0, 60)}@members.invalid`;
    const change = await this.members.put(caller, body.user_id, { email, tier: body.tier });
    if (change.operation) void reply.header('location', `/v1/operations/${change.operation.id}`);
    return change;
  }
}
