import { DomainError } from '#libs/kernel';

export class CoordinationUnavailable extends DomainError {
  readonly code = 'coordination-unavailable';
  readonly kind = 'unavailable';
  override readonly retryAfter = 2;
  constructor(options?: ErrorOptions) {
    super(
      'The coordination store (Redis, or PostgreSQL without Redis) does not answer. Try again in a moment.',
      options,
    );
  }
}

/** A programming error: notices carry ids, never documents. */
export class NoticeTooLarge extends DomainError {
  readonly code = 'notice-too-large';
  readonly kind = 'internal';
  constructor(readonly channel: string) {
    super(`A notice on channel "${channel}" is too large. Send an id and let the reader load the rest.`);
  }
}
