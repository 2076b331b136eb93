import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireScopes } from '../../identity/decorators.js';
import { actorOf, type Principal } from '../../identity/principal.js';
import { SleepOrders } from './sleep-orders.js';

@ApiTags('admin')
@Controller('v1/admin/gateways')
export class GatewaySleepController {
  constructor(private readonly orders: SleepOrders) {}

  @Post(':id/suspend')
  @HttpCode(202)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'Put it to sleep as soon as it agrees; a request wakes it' })
  async suspend(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<{ accepted: true }> {
    await this.orders.suspend(id, actorOf(principal));
    return { accepted: true };
  }

  @Post(':id/wake')
  @HttpCode(202)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'Wake it and keep it awake for a minute' })
  async wake(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<{ accepted: true }> {
    await this.orders.wake(id, actorOf(principal));
    return { accepted: true };
  }
}
