import { DomainError } from '#libs/kernel';

export class MemberNotFound extends DomainError {
  readonly code = 'member-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no member with that external id here. Create it with PUT /v1/members/{externalId}.');
  }
}

export class TierUnknown extends DomainError {
  readonly code = 'tier-unknown';
  readonly kind = 'rule';
  constructor(known: readonly string[]) {
    super(`This tenant has no such tier. Use one of: ${known.join(', ')}.`);
  }
  override readonly errors = [{ field: 'tier', message: 'is not a tier of this tenant' }];
}

export class TierRetired extends DomainError {
  readonly code = 'tier-retired';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'tier', message: 'is retired: members keep it, nobody else gets it' }];
  constructor(offered: readonly string[]) {
    super(`This tier is no longer offered. Use one of: ${offered.join(', ')}.`);
  }
}

export class MemberStateForbids extends DomainError {
  readonly code = 'member-state-forbids';
  readonly kind = 'conflict';
  constructor(action: string, status: string) {
    super(`A member that is ${status} cannot be ${action}. Look at its status first: GET /v1/members/{externalId}.`);
  }
}

export class ExternalIdInvalid extends DomainError {
  readonly code = 'external-id-invalid';
  readonly kind = 'invalid';
  override readonly errors = [{ field: 'externalId', message: '1 to 128 letters, digits or . _ : @ + - characters' }];
  constructor() {
    super('The external id in the path must be 1 to 128 letters, digits or . _ : @ + - characters.');
  }
}
