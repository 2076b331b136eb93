import { DomainError } from '#libs/kernel';

export class WebhookNotFound extends DomainError {
  readonly code = 'webhook-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such webhook endpoint. GET /v1/webhooks lists them.');
  }
}

export class DeliveryNotFound extends DomainError {
  readonly code = 'webhook-delivery-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such delivery, or it is older than the log keeps. GET /v1/webhooks/{id}/deliveries lists them.');
  }
}

export class TooManyWebhooks extends DomainError {
  readonly code = 'too-many-webhooks';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`A tenant has at most ${limit} webhook endpoints. Delete one first, or subscribe one to more events.`);
  }
}

export class WebhookNotActive extends DomainError {
  readonly code = 'webhook-not-active';
  readonly kind = 'conflict';
  constructor() {
    super('This endpoint is paused or disabled. Set its status to active first.');
  }
}
