import { DomainError } from '#libs/kernel';

export class ApiKeyNotFound extends DomainError {
  readonly code = 'api-key-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such API key. List the keys to see the ones there are.');
  }
}

export class ScopeUnknown extends DomainError {
  readonly code = 'scope-unknown';
  readonly kind = 'invalid';
  override readonly errors: readonly { readonly field: string; readonly message: string }[];
  constructor(scopes: readonly string[]) {
    super('A scope names a resource that there is not, or a verb that it does not have. Correct the list of scopes.');
    this.errors = scopes.map((scope) => ({ field: 'scopes', message: `${scope} is not a scope of this kind of key` }));
  }
}

export class KeyExceedsMaker extends DomainError {
  readonly code = 'key-exceeds-maker';
  readonly kind = 'forbidden';
  constructor(what: string) {
    super(`A key may never do more than who makes it: ${what}. Ask somebody with more rights to make it.`);
  }
}

export class KeyNotActive extends DomainError {
  readonly code = 'api-key-not-active';
  readonly kind = 'conflict';
  constructor() {
    super('This API key is revoked, has expired or was rotated already. Make a new one: POST /v1/keys.');
  }
}

export class KeyExpiryInvalid extends DomainError {
  readonly code = 'key-expiry-invalid';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'expiresAt', message: 'expiresAt must be in the future' }];
  constructor() {
    super('A key that has expired is of no use. Give a time in the future, or none.');
  }
}

export class AddressBlockInvalid extends DomainError {
  readonly code = 'address-block-invalid';
  readonly kind = 'invalid';
  override readonly errors = [
    { field: 'allowedIps', message: 'each must be an IPv4 or IPv6 address or CIDR block, such as 203.0.113.0/24' },
  ];
  constructor() {
    super('An entry of allowedIps is neither an address nor a CIDR block. Correct the list.');
  }
}

export class TooManyKeys extends DomainError {
  readonly code = 'too-many-keys';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`There are ${limit} keys that work already. Revoke those that nobody uses.`);
  }
}
