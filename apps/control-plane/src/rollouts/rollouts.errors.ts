import { DomainError } from '#libs/kernel';

export class RolloutNotFound extends DomainError {
  readonly code = 'rollout-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such rollout. GET /v1/admin/rollouts lists them.');
  }
}

export class RolloutNotActive extends DomainError {
  readonly code = 'rollout-not-active';
  readonly kind = 'conflict';
  constructor(status: string, wish: string) {
    super(`This rollout is ${status}, so it cannot be ${wish}. Only one that is under way can.`);
  }
}

export class RolloutScopeUnknown extends DomainError {
  readonly code = 'rollout-scope-unknown';
  readonly kind = 'rule';
  constructor(what: 'tenant' | 'host') {
    super(`There is no such ${what}, so the rollout would reach nothing. Name one that exists, or leave it out.`);
  }
}

export class GatewayNotUpgradable extends DomainError {
  readonly code = 'gateway-not-upgradable';
  readonly kind = 'conflict';
}
