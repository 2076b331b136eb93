import { DomainError } from '#libs/kernel';

export class ExportNotFound extends DomainError {
  readonly code = 'export-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such export, or its time is over. Ask for a new one: POST /v1/members/{externalId}/export.');
  }
}
