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
