import { DomainError, type ErrorKind } from '#libs/kernel';

/** A backup could not be written or read. `retryable`: the same may succeed later by itself. */
export abstract class BackupError extends DomainError {
  abstract readonly retryable: boolean;
}

/** What is stored is not what was written: nothing of it may be used. */
export class BackupDamaged extends BackupError {
  readonly code = 'backup-damaged';
  readonly kind: ErrorKind = 'rule';
  readonly retryable = false;
  constructor(why: string, options?: ErrorOptions) {
    super(`This backup is damaged: ${why}. Nothing of it was used. Take another one.`, options);
  }
}

export class BackupObjectMissing extends BackupError {
  readonly code = 'backup-object-missing';
  readonly kind: ErrorKind = 'not-found';
  readonly retryable = false;
  constructor(options?: ErrorOptions) {
    super('The store has no such backup any more. Take another one, and run: wirebot backup verify.', options);
  }
}

export class BackupStoreUnreachable extends BackupError {
  readonly code = 'backup-store-unreachable';
  readonly kind: ErrorKind = 'unavailable';
  readonly retryable = true;
  override readonly retryAfter = 30;
  constructor(store: string, why: string, options?: ErrorOptions) {
    super(`The backup store ${store} does not work right now (${why}). It is tried again by itself.`, options);
  }
}

export class BackupStoreRefused extends BackupError {
  readonly code = 'backup-store-refused';
  readonly kind: ErrorKind = 'unavailable';
  readonly retryable = false;
  constructor(store: string, why: string, options?: ErrorOptions) {
    super(`The backup store ${store} refuses (${why}). Check its address, bucket and credentials.`, options);
  }
}

export class BackupStoreFull extends BackupError {
  readonly code = 'backup-store-full';
  readonly kind: ErrorKind = 'storage';
  readonly retryable = true;
  constructor(freeMb: number, keepFreeMb: number, options?: ErrorOptions) {
    super(
      `The backup store has ${freeMb} MB left, and ${keepFreeMb} MB stay free. ` +
        'Delete backups, keep them for fewer days, or give it more room (WIREBOT_BACKUP_KEEP_FREE_MB).',
      options,
    );
  }
}
