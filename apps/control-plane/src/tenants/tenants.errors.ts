import { DomainError } from '#libs/kernel';

export class TenantExists extends DomainError {
  readonly code = 'tenant-exists';
  readonly kind = 'conflict';
  constructor() {
    super('A tenant with this slug or one of these hosts exists already. Choose another slug, or leave the host out.');
  }
}

export class HostTaken extends DomainError {
  readonly code = 'host-taken';
  readonly kind = 'conflict';
  override readonly errors = [{ field: 'hosts', message: 'one of them belongs to another tenant' }];
  constructor(options?: ErrorOptions) {
    super('One of these hosts belongs to another tenant. Leave it out, or take it from that tenant first.', options);
  }
}

export class TenantNotFound extends DomainError {
  readonly code = 'tenant-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such tenant. GET /v1/admin/tenants lists them.');
  }
}

export class TenantStateForbids extends DomainError {
  readonly code = 'tenant-state-forbids';
  readonly kind = 'conflict';
  constructor(what: string, status: string) {
    super(`A tenant that is ${status} cannot be ${what}. Look at its status first: GET /v1/admin/tenants/{id}.`);
  }
}

export class TenantNotServing extends DomainError {
  readonly code = 'tenant-not-serving';
  readonly kind = 'conflict';
  constructor(status: string) {
    super(`This tenant is ${status}: its members cannot be provisioned or resumed now. An operator can bring it back.`);
  }
}
