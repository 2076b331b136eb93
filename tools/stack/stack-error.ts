import { DomainError, type ErrorKind } from '#libs/kernel';

/** Something a person has to know or do; printed without a stack trace. */
export class StackError extends DomainError {
  readonly kind: ErrorKind = 'unavailable';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
