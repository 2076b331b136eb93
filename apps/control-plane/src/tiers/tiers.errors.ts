import { DomainError, type FieldError } from '#libs/kernel';

export class TierNotFound extends DomainError {
  readonly code = 'tier-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('This tenant has no tier with that key. List them: GET /v1/tiers.');
  }
}

export class TierExists extends DomainError {
  readonly code = 'tier-exists';
  readonly kind = 'conflict';
  override readonly errors = [{ field: 'key', message: 'is the key of another tier, perhaps a retired one' }];
  constructor(options?: ErrorOptions) {
    super('This tenant has a tier with that key. Change it with PUT, or bring a retired one back.', options);
  }
}

export class TierRuleBroken extends DomainError {
  readonly code = 'tier-rule-broken';
  readonly kind = 'rule';
  constructor(override readonly errors: readonly FieldError[]) {
    super(
      `The tier is not possible like that: ${errors.map(({ field, message }) => `${field} ${message}`).join('; ')}.`,
    );
  }
}

export class TierRetirementForbidden extends DomainError {
  readonly code = 'tier-is-last';
  readonly kind = 'conflict';
  constructor() {
    super('This is the last tier that members can get. Make another one first.');
  }
}
