import { DomainError, type FieldError } from '#libs/kernel';

export class MalformedJson extends DomainError {
  readonly code = 'malformed-json';
  readonly kind = 'invalid';
  constructor(options?: ErrorOptions) {
    super('The body is not valid JSON. Send one JSON document with Content-Type: application/json.', options);
  }
}

export class InvalidRequest extends DomainError {
  readonly code = 'request-invalid';
  readonly kind = 'invalid';
  constructor(
    override readonly errors: readonly FieldError[],
    options?: ErrorOptions,
  ) {
    super('The request is not valid. Correct the fields listed in errors and send it again.', options);
  }
}

export class BadRequest extends DomainError {
  readonly code = 'bad-request';
  readonly kind = 'invalid';
  constructor(options?: ErrorOptions) {
    super('The request cannot be understood. Compare it with the OpenAPI document at /openapi.json.', options);
  }
}

export class BodyTooLarge extends DomainError {
  readonly code = 'body-too-large';
  readonly kind = 'too-large';
  constructor(bytes: number, options?: ErrorOptions) {
    super(`The body is larger than ${bytes} bytes. Send less at once.`, options);
  }
}

export class UnsupportedMediaType extends DomainError {
  readonly code = 'unsupported-media-type';
  readonly kind = 'invalid';
  constructor(options?: ErrorOptions) {
    super('This content type is not accepted. Send Content-Type: application/json.', options);
  }
}

export class RouteNotFound extends DomainError {
  readonly code = 'not-found';
  readonly kind = 'not-found';
  constructor(options?: ErrorOptions) {
    super('There is nothing at this address. The OpenAPI document at /openapi.json lists what there is.', options);
  }
}

export class PreconditionFailed extends DomainError {
  readonly code = 'precondition-failed';
  readonly kind = 'conflict';
  constructor() {
    super('Somebody changed this since you read it. Read it again and repeat the change with the new ETag.');
  }
}

export class RateLimited extends DomainError {
  readonly code = 'rate-limited';
  readonly kind = 'limited';
  constructor(override readonly retryAfter: number) {
    super(`Too many requests. Try again in ${retryAfter} seconds.`);
  }
}

export class IdempotencyKeyReused extends DomainError {
  readonly code = 'idempotency-key-reused';
  readonly kind = 'conflict';
  constructor() {
    super('This Idempotency-Key was used for another request. Use a new key for a new request.');
  }
}

export class IdempotencyInProgress extends DomainError {
  readonly code = 'idempotency-in-progress';
  readonly kind = 'conflict';
  override readonly retryAfter = 1;
  constructor() {
    super('A request with this Idempotency-Key is still being served. Repeat it in a moment to get its answer.');
  }
}

/** Statuses that differ from the one of the error's kind. */
export const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  'unsupported-media-type': 415,
  'precondition-failed': 412,
};
