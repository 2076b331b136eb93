import { DomainError } from '#libs/kernel';

export class ApiKeyInvalid extends DomainError {
  readonly code = 'api-key-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('The API key is missing, wrong, expired or revoked. Send a valid one as Authorization: Bearer <key>.');
  }
}

export class ScopeMissing extends DomainError {
  readonly code = 'scope-missing';
  readonly kind = 'forbidden';
  constructor(readonly scope: string) {
    super(`This call needs the scope ${scope}, which the API key does not have. Use a key that has it.`);
  }
}

export class OperatorRequired extends DomainError {
  readonly code = 'operator-required';
  readonly kind = 'forbidden';
  constructor() {
    super("This call is for operators. Sign in to the admin console or use an operator's key.");
  }
}

export class TenantRequired extends DomainError {
  readonly code = 'tenant-required';
  readonly kind = 'forbidden';
  constructor() {
    super(
      "This call acts for one tenant. Use a tenant's key, or name a tenant you may act for in the header Wirebot-Tenant.",
    );
  }
}

export class KeyReadOnly extends DomainError {
  readonly code = 'key-read-only';
  readonly kind = 'forbidden';
  constructor() {
    super('This API key may only read. Use a key that may change things.');
  }
}

export class SessionRequired extends DomainError {
  readonly code = 'session-required';
  readonly kind = 'unauthenticated';
  constructor() {
    super('You are not signed in, or your session has ended. Sign in again.');
  }
}

export class LoginInvalid extends DomainError {
  readonly code = 'login-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('The e-mail address or the password is wrong. Check both and try again.');
  }
}

export class TooManyAttempts extends DomainError {
  readonly code = 'too-many-attempts';
  readonly kind = 'limited';
  constructor(override readonly retryAfter: number) {
    super(`Too many failed attempts. Wait ${retryAfter} seconds and try again.`);
  }
}

export class OriginRefused extends DomainError {
  readonly code = 'origin-refused';
  readonly kind = 'forbidden';
  constructor() {
    super(
      'A change with the admin cookie must come from the admin console itself (Origin header). Use an API key elsewhere.',
    );
  }
}

export class ProxyCredentialInvalid extends DomainError {
  readonly code = 'proxy-credential-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This address is for proxies of this installation. Start the proxy with the same secrets directory.');
  }
}

export class AccessUndeclared extends DomainError {
  readonly code = 'access-undeclared';
  readonly kind = 'forbidden';
  constructor() {
    super('This address does not say who may use it and is therefore closed. Report this.');
  }
}

export class PasswordTooWeak extends DomainError {
  readonly code = 'password-too-weak';
  readonly kind = 'rule';
  constructor(reason: string) {
    super(`The password will not do: ${reason}. Choose another one; several words that nobody would guess do well.`);
  }
}

export class TenantClosed extends DomainError {
  readonly code = 'tenant-closed';
  readonly kind = 'forbidden';
  constructor() {
    super(
      'This business is closed: its data can be read until it is erased. Ask the operator of the platform to reopen it.',
    );
  }
}

export class TenantSuspended extends DomainError {
  readonly code = 'tenant-suspended';
  readonly kind = 'forbidden';
  constructor(reason: string | null) {
    const why = reason?.replace(/[.\s]+$/, '') ?? 'no reason was given';
    super(`This business is suspended: ${why}. Ask the operator of the platform to resume it.`);
  }
}

export class ScopeInvalid extends DomainError {
  readonly code = 'scope-invalid';
  readonly kind = 'invalid';
  constructor() {
    super('A scope is resource:verb, resource:* or *. Correct the list of scopes.');
  }
}
