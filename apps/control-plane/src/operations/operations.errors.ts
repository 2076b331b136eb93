import { DomainError } from '#libs/kernel';

export class OperationNotFound extends DomainError {
  readonly code = 'operation-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such operation. Use the id from the Location header of the call that started it.');
  }
}
