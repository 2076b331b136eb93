import { DomainError } from '#libs/kernel';

export class AccountDisabled extends DomainError {
  readonly code = 'account-disabled';
  readonly kind = 'forbidden';
  constructor() {
    super('This account is disabled. Ask an operator to enable it.');
  }
}

export class LinkInvalid extends DomainError {
  readonly code = 'link-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This link was used, replaced by a newer one, or has expired. Ask for a new one.');
  }
}

export class CodeInvalid extends DomainError {
  readonly code = 'code-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('The code is wrong or was used already. Wait for the next code, or use a recovery code.');
  }
}

export class SecondFactorExpired extends DomainError {
  readonly code = 'second-factor-expired';
  readonly kind = 'unauthenticated';
  constructor() {
    super('There is no sign-in waiting for a code, it took too long, or too many codes were wrong. Sign in again.');
  }
}

export class SecondFactorRequired extends DomainError {
  readonly code = 'second-factor-required';
  readonly kind = 'forbidden';
  constructor() {
    super('Operators sign in with a second factor here. Set one up at /v1/session/totp, or sign in with a passkey.');
  }
}

export class RecentProofRequired extends DomainError {
  readonly code = 'recent-proof-required';
  readonly kind = 'forbidden';
  constructor() {
    super(
      'This change needs a recent proof of who you are. Send your password or code to /v1/session/prove, then repeat it.',
    );
  }
}

export class TotpOn extends DomainError {
  readonly code = 'totp-on';
  readonly kind = 'conflict';
  constructor() {
    super('Codes of an authenticator app are on already. Turn them off first to set up another app.');
  }
}

export class TotpOff extends DomainError {
  readonly code = 'totp-off';
  readonly kind = 'conflict';
  constructor() {
    super('No authenticator app is set up. Set one up first.');
  }
}

export class SessionNotFound extends DomainError {
  readonly code = 'session-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('You have no such session. List your sessions to see the ones there are.');
  }
}

export class ProofInvalid extends DomainError {
  readonly code = 'proof-invalid';
  readonly kind = 'forbidden';
  constructor() {
    super('The password or the code is wrong, or the code was used already. Try again with the right one.');
  }
}

export class CodeRequired extends DomainError {
  readonly code = 'code-required';
  readonly kind = 'rule';
  constructor() {
    super('This account uses an authenticator app. Send a code of it; the password alone is not enough.');
  }
}

export class ProofMissing extends DomainError {
  readonly code = 'proof-missing';
  readonly kind = 'invalid';
  constructor() {
    super('Send a password or a code.');
  }
}
