import { DomainError } from '#libs/kernel';

export class TokenInvalid extends DomainError {
  readonly code = 'token-invalid';
  readonly kind = 'unauthenticated';
  constructor(options?: ErrorOptions) {
    super('This token is not valid here. Ask the membership site for a new one.', options);
  }
}

export class TokenExpired extends DomainError {
  readonly code = 'token-expired';
  readonly kind = 'unauthenticated';
  constructor(options?: ErrorOptions) {
    super('This token has expired. Ask the membership site for a new one.', options);
  }
}

export class TokenRevoked extends DomainError {
  readonly code = 'token-revoked';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This token was revoked. Sign in again.');
  }
}
