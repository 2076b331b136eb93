import { DomainError } from '#libs/kernel';

export class TenantExists extends DomainError {
  readonly code = 'tenant-exists';
  readonly kind = 'conflict';
  constructor() {
    super('A tenant with this slug or one of these hosts exists already. Choose another slug, or leave the host out.');
  }
}

export class TenantNotFound extends DomainError {
  readonly code = 'tenant-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such tenant. GET /v1/admin/tenants lists them.');
  }
}
