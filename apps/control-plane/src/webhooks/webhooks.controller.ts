import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { decodeCursor, type Page } from '../http/cursor.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { DeliveriesService } from './deliveries.service.js';
import {
  ChangeWebhookDto,
  ListDeliveriesDto,
  NewWebhookDto,
  ReplayFailedDto,
  RotateWebhookSecretDto,
} from './dto/webhooks.dto.js';
import { WEBHOOK_EVENTS } from './webhook-events.js';
import type { DeliveryView, WebhookView } from './webhook-views.js';
import { type WebhookCaller, WebhooksService, webhookEtag } from './webhooks.service.js';

const callerOf = (tenantId: string, principal: Principal): WebhookCaller => ({ tenantId, actor: actorOf(principal) });

@ApiTags('webhooks')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly deliveries: DeliveriesService,
  ) {}

  @Get('event-types')
  @RequireScopes('webhooks:read')
  @ApiOperation({ summary: 'Every event an endpoint can subscribe to' })
  eventTypes(): { items: { type: string; description: string }[]; nextCursor: null } {
    const items = Object.entries(WEBHOOK_EVENTS).map(([type, description]) => ({ type, description }));
    return { items, nextCursor: null };
  }

  @Post()
  @HttpCode(201)
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'A new endpoint; its signing secret is shown this once' })
  create(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Body() body: NewWebhookDto,
  ): Promise<WebhookView & { secret: string }> {
    return this.webhooks.create(callerOf(tenantId, principal), body);
  }

  @Get()
  @RequireScopes('webhooks:read')
  @ApiOperation({ summary: 'The tenant’s endpoints' })
  async list(@CurrentTenant() tenantId: string): Promise<Page<WebhookView>> {
    return { items: await this.webhooks.list(tenantId), nextCursor: null };
  }

  @Get(':id')
  @RequireScopes('webhooks:read')
  @ApiOperation({ summary: 'One endpoint' })
  async get(
    @CurrentTenant() tenantId: string,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WebhookView> {
    return tagged(reply, await this.webhooks.get(tenantId, id));
  }

  @Patch(':id')
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'Change an endpoint, pause it, or set it active again' })
  async update(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: ChangeWebhookDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WebhookView> {
    return tagged(reply, await this.webhooks.update(callerOf(tenantId, principal), id, body, ifMatch));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'Delete an endpoint with its delivery log' })
  delete(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<void> {
    return this.webhooks.delete(callerOf(tenantId, principal), id);
  }

  @Post(':id/rotate-secret')
  @HttpCode(201)
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'A new signing secret; the one before signs too for the overlap' })
  rotateSecret(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() body: RotateWebhookSecretDto,
  ): Promise<{ secret: string; previousSecretUntil: string }> {
    return this.webhooks.rotateSecret(callerOf(tenantId, principal), id, body.overlapSeconds);
  }

  @Post(':id/test')
  @HttpCode(202)
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'Send a webhook.test event to this endpoint' })
  test(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
  ): Promise<DeliveryView> {
    return this.deliveries.test(callerOf(tenantId, principal), id);
  }

  @Get(':id/deliveries')
  @RequireScopes('webhooks:read')
  @ApiOperation({ summary: 'The delivery log, newest first' })
  listDeliveries(
    @CurrentTenant() tenantId: string,
    @Param('id') endpointId: string,
    @Query() query: ListDeliveriesDto,
  ): Promise<Page<DeliveryView>> {
    const { status, type, limit, cursor } = query;
    const after = decodeCursor(cursor, 1)?.[0];
    return this.deliveries.list(tenantId, { endpointId, status, type, after, limit });
  }

  @Get(':id/deliveries/:delivery')
  @RequireScopes('webhooks:read')
  @ApiOperation({ summary: 'One delivery with its attempts' })
  getDelivery(
    @CurrentTenant() tenantId: string,
    @Param('id') endpointId: string,
    @Param('delivery') delivery: string,
  ): Promise<DeliveryView> {
    return this.deliveries.get(tenantId, endpointId, delivery);
  }

  @Post(':id/deliveries/:delivery/replay')
  @HttpCode(202)
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'Send a delivery again, with the same webhook-id' })
  replay(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') endpointId: string,
    @Param('delivery') delivery: string,
  ): Promise<DeliveryView> {
    return this.deliveries.replay(callerOf(tenantId, principal), endpointId, delivery);
  }

  @Post(':id/replay-failed')
  @HttpCode(202)
  @RequireScopes('webhooks:write')
  @ApiOperation({ summary: 'Send everything again that failed since then' })
  replayFailed(
    @CurrentTenant() tenantId: string,
    @CurrentPrincipal() principal: Principal,
    @Param('id') endpointId: string,
    @Body() body: ReplayFailedDto,
  ): Promise<{ replayed: number }> {
    return this.deliveries.replayFailed(callerOf(tenantId, principal), endpointId, new Date(body.since));
  }
}

function tagged(reply: FastifyReply, view: WebhookView): WebhookView {
  void reply.header('etag', webhookEtag(view));
  return view;
}
