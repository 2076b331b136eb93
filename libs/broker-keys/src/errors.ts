import { DomainError } from '#libs/kernel';

/** The file or variable with broker keys does not hold what it must; never carries what it holds. */
export class BrokerKeysInvalid extends DomainError {
  readonly code = 'broker-keys-invalid';
  readonly kind = 'internal';
}

/** A provider key that was sealed for another broker, another owner, or was changed. */
export class ProviderKeyUnreadable extends DomainError {
  readonly code = 'provider-key-unreadable';
  readonly kind = 'internal';
  constructor(
    /** The broker key it was sealed to, where it says so. */
    readonly kid: string | undefined,
    options?: ErrorOptions,
  ) {
    super('This provider key was not sealed to this model broker for this owner. Enter it again.', options);
  }
}
