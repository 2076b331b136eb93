import { DomainError } from '#libs/kernel';

export class GatewayNotFound extends DomainError {
  readonly code = 'gateway-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such gateway. GET /v1/admin/gateways lists them.');
  }
}

export class GatewayNotRunning extends DomainError {
  readonly code = 'gateway-not-running';
  readonly kind = 'conflict';
  constructor(phase: string) {
    super(`This gateway is ${phase}; only one that should run can be restarted.`);
  }
}

export class GatewayNotToBeHeld extends DomainError {
  readonly code = 'gateway-not-to-be-held';
  readonly kind = 'conflict';
  constructor(warm: boolean) {
    super(
      warm
        ? 'This gateway is a warm one that belongs to nobody; there is nothing to look at. Remove it from the pool instead.'
        : 'This gateway is being deleted, and that is not held up.',
    );
  }
}

export class GatewayNotHeld extends DomainError {
  readonly code = 'gateway-not-quarantined';
  readonly kind = 'conflict';
  constructor() {
    super('This gateway is not quarantined, so there is nothing to release.');
  }
}

export class TooManyFollowers extends DomainError {
  readonly code = 'too-many-log-followers';
  readonly kind = 'limited';
  override readonly retryAfter = 30;
  constructor(most: number) {
    super(`${most} logs are followed already, which is as many as one process does. Close one, or ask without follow.`);
  }
}
