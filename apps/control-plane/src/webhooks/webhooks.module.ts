import { Module } from '@nestjs/common';
import { OutboxReader } from '../events/outbox.reader.js';
import { IdentityModule } from '../identity/identity.module.js';
import { DeliveriesService } from './deliveries.service.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';
import { WebhookFanout } from './webhook-fanout.js';
import { WebhookLoop } from './webhook-loop.js';
import { WebhookOutcomes } from './webhook-outcomes.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { WebhookSender } from './webhook-sender.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksRepository } from './webhooks.repository.js';
import { WebhooksService } from './webhooks.service.js';

/** Outgoing webhooks by the Standard Webhooks rules: endpoints, fan-out of the outbox, delivery with retries, replay. */
@Module({
  imports: [IdentityModule],
  controllers: [WebhooksController],
  providers: [
    OutboxReader,
    WebhooksRepository,
    WebhookSecrets,
    WebhookSender,
    WebhookOutcomes,
    WebhookDispatcher,
    WebhookFanout,
    WebhookLoop,
    WebhooksService,
    DeliveriesService,
  ],
})
export class WebhooksModule {}
