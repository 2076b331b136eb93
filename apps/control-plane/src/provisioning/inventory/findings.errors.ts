import { DomainError } from '#libs/kernel';

export class FindingNotFound extends DomainError {
  readonly code = 'finding-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such finding, or it is settled. GET /v1/admin/findings lists them.');
  }
}

export class FindingsDiffer extends DomainError {
  readonly code = 'findings-differ';
  readonly kind = 'conflict';
  constructor(there: number) {
    super(`There are ${there} of them, not as many as you confirm. Look at them again; nothing was changed.`);
  }
}
