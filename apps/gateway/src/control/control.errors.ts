import type { BusyReason } from '#libs/contracts';
import { DomainError } from '#libs/kernel';

export class GatewayBusy extends DomainError {
  readonly code = 'gateway-busy';
  readonly kind = 'conflict';
  constructor(readonly reasons: readonly BusyReason[]) {
    super(`The gateway has something to do (${reasons.join(', ')}). It goes on; ask again when it is idle.`);
  }
}

export class GatewayClaimed extends DomainError {
  readonly code = 'gateway-claimed';
  readonly kind = 'conflict';
  constructor() {
    super('This gateway has its identity already. Use its control credential, or claim another one.');
  }
}
