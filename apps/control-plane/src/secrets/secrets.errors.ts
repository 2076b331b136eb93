import { DomainError } from '#libs/kernel';

export class SealedUnreadable extends DomainError {
  readonly code = 'sealed-unreadable';
  readonly kind = 'internal';
  constructor(options?: ErrorOptions) {
    super('A stored secret cannot be read: it was changed, moved, or its key is gone. Enter it again.', options);
  }
}

export class MasterKeyMissing extends DomainError {
  readonly code = 'master-key-missing';
  readonly kind = 'internal';
  constructor(
    readonly masterId: string,
    present: readonly string[],
  ) {
    super(
      `Data keys in this database are wrapped by master key ${masterId}, which is not here (there is: ${present.join(', ') || 'none'}). ` +
        'Put the key back as the file master-key, or beside it as master-key.<any name> in WIREBOT_SECRETS_DIR; in the ' +
        'environment, into WIREBOT_MASTER_KEYS_OLDER; or connect the Vault that holds it. Without it these secrets are lost.',
    );
  }
}

export class MasterKeyUnusable extends DomainError {
  readonly code = 'master-key-unusable';
  readonly kind = 'internal';
}

export class VaultUnavailable extends DomainError {
  readonly code = 'vault-unavailable';
  readonly kind = 'unavailable';
  override readonly retryAfter = 5;
  constructor(reason: string, options?: ErrorOptions) {
    super(`The Vault that holds the master key does not answer (${reason}). Nothing was changed; try again.`, options);
  }
}

export class VaultRefused extends DomainError {
  readonly code = 'vault-refused';
  readonly kind = 'internal';
}

export class PlatformRootMissing extends DomainError {
  readonly code = 'platform-root-missing';
  readonly kind = 'internal';
  constructor() {
    super(
      'This installation derived its credentials from the file master-key until now. Put that file back into ' +
        'WIREBOT_SECRETS_DIR for this one start: its gateways and its audit log depend on it.',
    );
  }
}

export class SecretNotFound extends DomainError {
  readonly code = 'secret-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such secret here. GET /v1/secrets lists what there is.');
  }
}

export class SecretPurposeUnknown extends DomainError {
  readonly code = 'secret-purpose-unknown';
  readonly kind = 'not-found';
  constructor(known: readonly string[]) {
    super(`There are no such secrets. The part of the path after /v1/secrets is one of: ${known.join(', ')}.`);
  }
}

export class SecretLimitReached extends DomainError {
  readonly code = 'secret-limit-reached';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`A tenant, and each of its members, may have ${limit} secrets. Delete one that is not needed any more.`);
  }
}

export class OwnKeysUnavailable extends DomainError {
  readonly code = 'own-keys-unavailable';
  readonly kind = 'unavailable';
  constructor(reason: string, options?: ErrorOptions) {
    super(
      `Own provider keys cannot be stored: ${reason} The operator gives the control plane the model broker's public key ` +
        'as the file broker-public.json in WIREBOT_SECRETS_DIR, or as WIREBOT_BROKER_PUBLIC_KEY.',
      options,
    );
  }
}

export class ProviderKeyChanged extends DomainError {
  readonly code = 'provider-key-changed';
  readonly kind = 'conflict';
  constructor() {
    super(
      "This provider key, or the model broker's own key, was replaced meanwhile. Take the new one from the route feed.",
    );
  }
}
