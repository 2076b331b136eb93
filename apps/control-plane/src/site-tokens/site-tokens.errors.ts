import { DomainError } from '#libs/kernel';

export class SharedSecretIssuerNotFound extends DomainError {
  readonly code = 'shared-secret-issuer-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('No shared secret is set up. Set one up with PUT /v1/shared-secret-issuer.');
  }
}

/** The same for an unknown tenant, one without a shared secret, and whatever is wrong with the token. */
export class SiteTokenInvalid extends DomainError {
  readonly code = 'site-token-invalid';
  readonly kind = 'unauthenticated';
  constructor(options?: ErrorOptions) {
    super(
      'This token is not one of the membership site. Check tenant, secret, algorithm (HS256), header (alg and typ only) and claims.',
      options,
    );
  }
}

export class SecretGuessable extends DomainError {
  readonly code = 'secret-guessable';
  readonly kind = 'rule';
  override readonly errors = [
    { field: 'secret', message: 'secret must have 32 bytes or more and not repeat a few characters' },
  ];
  constructor() {
    super('Anybody who guesses this secret is every member. Use 32 random bytes or more, or leave it out to get one.');
  }
}
