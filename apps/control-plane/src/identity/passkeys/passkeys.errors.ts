import { DomainError } from '#libs/kernel';

export class PasskeysUnavailable extends DomainError {
  readonly code = 'passkeys-unavailable';
  readonly kind = 'rule';
  constructor() {
    super(
      'Passkeys need a host name, and this installation is addressed by number. Set WIREBOT_CONTROL_PLANE_URL to a name.',
    );
  }
}

export class PasskeyNotFound extends DomainError {
  readonly code = 'passkey-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('You have no such passkey. List your passkeys to see the ones there are.');
  }
}

/** The page can tell the browser to forget it. */
export class PasskeyUnknown extends DomainError {
  readonly code = 'passkey-unknown';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This passkey is not known here any more. Sign in another way, and delete it where you keep your passkeys.');
  }
}

export class ChallengeOver extends DomainError {
  readonly code = 'challenge-over';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This took too long or was answered already. Start again.');
  }
}

export class PasskeyRefused extends DomainError {
  readonly code = 'passkey-refused';
  readonly kind = 'unauthenticated';
  constructor(options?: ErrorOptions) {
    super('The passkey could not be verified. Try again, or sign in another way.', options);
  }
}

/** Its counter went back: somebody has a copy, or had one and used it first. */
export class PasskeyCloned extends DomainError {
  readonly code = 'passkey-cloned';
  readonly kind = 'unauthenticated';
  constructor() {
    super('A copy of this passkey seems to exist. It was refused. Sign in another way, remove it and add a new one.');
  }
}

export class PasskeyNotAccepted extends DomainError {
  readonly code = 'passkey-not-accepted';
  readonly kind = 'rule';
  constructor(options?: ErrorOptions) {
    super(
      'This passkey cannot be added: it was made for another site or without checking who you are. Try again.',
      options,
    );
  }
}

export class PasskeyExists extends DomainError {
  readonly code = 'passkey-exists';
  readonly kind = 'conflict';
  constructor() {
    super('This passkey was added already.');
  }
}

export class TooManyPasskeys extends DomainError {
  readonly code = 'too-many-passkeys';
  readonly kind = 'rule';
  constructor(readonly limit: number) {
    super(`You have ${limit} passkeys, which is the most there can be. Remove one first.`);
  }
}
