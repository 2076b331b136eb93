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

/** Another try finds a folder that holds still. */
export class SnapshotInterrupted extends DomainError {
  readonly code = 'snapshot-interrupted';
  readonly kind = 'unavailable';
  override readonly retryAfter = 1;
  constructor(options?: ErrorOptions) {
    super("The agent's folder changed while it was being copied. Ask again.", options);
  }
}

export class FolderInUse extends DomainError {
  readonly code = 'folder-in-use';
  readonly kind = 'unavailable';
  override readonly retryAfter = 2;
  constructor() {
    super("A snapshot of this agent's folder is being made. Try again when it has ended.");
  }
}

export class ArchiveTooLarge extends DomainError {
  readonly code = 'archive-too-large';
  readonly kind = 'rule';
  constructor(what: string) {
    super(`The agent's folder cannot be archived: it holds ${what}. Delete some of it.`);
  }
}
