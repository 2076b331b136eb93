import { DomainError, type ErrorKind } from '#libs/kernel';

/** A gateway did not do what it was asked. `retryable`: the same call may succeed later by itself. */
export class RuntimeError extends DomainError {
  readonly kind: ErrorKind = 'unavailable';
  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
