import { DomainError } from '#libs/kernel';

export class ProviderNotFound extends DomainError {
  readonly code = 'identity-provider-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such identity provider, or it is switched off. List the providers to see the ones there are.');
  }
}

export class ProviderKeyTaken extends DomainError {
  readonly code = 'identity-provider-exists';
  readonly kind = 'conflict';
  constructor() {
    super('An identity provider has this key already. Choose another key.');
  }
}

export class IssuerUnusable extends DomainError {
  readonly code = 'issuer-unusable';
  readonly kind = 'rule';
  constructor(why: string, options?: ErrorOptions) {
    super(`This issuer cannot be used: ${why}. Correct the issuer, or save the provider with enabled: false.`, options);
  }
}

export class ProviderUnreachable extends DomainError {
  readonly code = 'identity-provider-unreachable';
  readonly kind = 'unavailable';
  override readonly retryAfter = 30;
  constructor(options?: ErrorOptions) {
    super('The identity provider does not answer. Try again in a moment or sign in another way.', options);
  }
}

/** No such round trip, it is over, it was used, or another browser began it: the same for all of them. */
export class RoundTripOver extends DomainError {
  readonly code = 'sign-in-expired';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This sign-in was not begun in this browser, is too old, or was used already. Start again.');
  }
}

export class SignInCancelled extends DomainError {
  readonly code = 'sign-in-cancelled';
  readonly kind = 'unauthenticated';
  constructor(options?: ErrorOptions) {
    super('The sign-in was cancelled at the identity provider. Start again when you are ready.', options);
  }
}

/** What the provider sent does not prove anything: a wrong signature, issuer, nonce or code. */
export class ProviderAnswerRefused extends DomainError {
  readonly code = 'provider-answer-refused';
  readonly kind = 'unauthenticated';
  constructor(options?: ErrorOptions) {
    super(
      'The answer of the identity provider could not be verified. Start again; if it persists, ask an operator.',
      options,
    );
  }
}

export class EmailUnverified extends DomainError {
  readonly code = 'email-unverified';
  readonly kind = 'forbidden';
  constructor() {
    super(
      'The identity provider does not vouch for your e-mail address. Verify it there, or sign in another way and link the account.',
    );
  }
}

export class AccountUnknown extends DomainError {
  readonly code = 'account-unknown';
  readonly kind = 'forbidden';
  constructor() {
    super('Nobody with this account may sign in here. Ask to be invited.');
  }
}

export class LinkRequired extends DomainError {
  readonly code = 'link-required';
  readonly kind = 'forbidden';
  constructor() {
    super(
      'There is a user with this e-mail address, whom this provider may not sign in by address alone. Sign in the way you did so far and link the account on the Security page.',
    );
  }
}

export class IdentityTaken extends DomainError {
  readonly code = 'identity-taken';
  readonly kind = 'conflict';
  constructor() {
    super('This account signs in another user already. Remove it there first.');
  }
}

export class IdentityNotFound extends DomainError {
  readonly code = 'identity-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('No such account is linked to you. List your linked accounts to see the ones there are.');
  }
}

export class LastWayToSignIn extends DomainError {
  readonly code = 'last-way-to-sign-in';
  readonly kind = 'conflict';
  constructor() {
    super('This is your only way to sign in. Add another one first: a password, a passkey or a linked account.');
  }
}
