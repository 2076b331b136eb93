import { DomainError } from '#libs/kernel';

export class DiskQuotaReached extends DomainError {
  readonly code = 'disk-quota-reached';
  readonly kind = 'storage';
  constructor(limit: number) {
    super(
      `This agent's folder has reached its limit of ${Math.floor(limit / 1_048_576)} MiB; nothing was deleted. Delete files, or upgrade.`,
    );
  }
}

/** Of the machine, not of the agent: nothing that a member could delete would help. */
export class DiskFull extends DomainError {
  readonly code = 'disk-full';
  readonly kind = 'storage';
  override readonly retryAfter = 60;
  constructor(options?: ErrorOptions) {
    super(
      'The disk behind this agent is full: nothing was stored. Try again once its operator has freed space.',
      options,
    );
  }
}

export class StateTooNew extends DomainError {
  readonly code = 'state-too-new';
  readonly kind = 'unavailable';
  constructor(found: number, known: number) {
    super(`This agent's data has version ${found}; this gateway knows up to ${known}. Upgrade the gateway.`);
  }
}

export class StateDamaged extends DomainError {
  readonly code = 'state-damaged';
  readonly kind = 'unavailable';
  constructor(what: string, options?: ErrorOptions) {
    super(
      `This agent's database cannot be used: ${what}. Restore its newest backup; other agents are not affected.`,
      options,
    );
  }
}

export class StateUnreadable extends DomainError {
  readonly code = 'state-unreadable';
  readonly kind = 'unavailable';
  constructor(options?: ErrorOptions) {
    super(
      "This agent's database cannot be opened or read. Check owner, rights and disk of its folder on the host.",
      options,
    );
  }
}

/** It is about the agent's own data, and stays until somebody does something. */
export const isStateFault = (error: unknown): error is StateTooNew | StateDamaged | StateUnreadable =>
  error instanceof StateTooNew || error instanceof StateDamaged || error instanceof StateUnreadable;

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE = { perm: 3, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 } as const;
const UNREADABLE: readonly number[] = [SQLITE.perm, SQLITE.readonly, SQLITE.ioerr, SQLITE.cantopen];

/** Says in our words what storage could not do; everything else is returned as it is. */
export function storageError(error: unknown): unknown {
  const { code, errcode } = (error ?? {}) as { code?: string; errcode?: number };
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DiskFull({ cause: error });
  if (code === 'EACCES' || code === 'EROFS' || code === 'EIO') return new StateUnreadable({ cause: error });
  if (code !== 'ERR_SQLITE_ERROR' || errcode === undefined) return error;
  // The low byte is the kind of fault, the rest its particulars.
  const primary = errcode & 0xff;
  if (primary === SQLITE.full) return new DiskFull({ cause: error });
  if (primary === SQLITE.corrupt || primary === SQLITE.notadb)
    return new StateDamaged('it is damaged', { cause: error });
  return UNREADABLE.includes(primary) ? new StateUnreadable({ cause: error }) : error;
}
