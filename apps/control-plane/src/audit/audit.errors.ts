import { DomainError } from '#libs/kernel';

export class AuditChainBroken extends DomainError {
  readonly code = 'audit-chain-broken';
  readonly kind = 'internal';
  constructor() {
    super('The audit log was changed from outside. Nothing was done. Run `wirebot audit verify`.');
  }
}

export class AuditVerificationBusy extends DomainError {
  readonly code = 'audit-verification-busy';
  readonly kind = 'limited';
  override readonly retryAfter = 5;
  constructor() {
    super('An audit log is being verified already. Try again when that is done.');
  }
}

export class AuditVerificationTooLong extends DomainError {
  readonly code = 'audit-verification-too-long';
  readonly kind = 'unavailable';
  override readonly retryAfter = 60;
  constructor(seconds: number) {
    super(`This audit log takes longer than ${seconds} seconds to verify. Run \`wirebot audit verify\` on the server.`);
  }
}
