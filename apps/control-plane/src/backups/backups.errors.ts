import { DomainError, type ErrorKind } from '#libs/kernel';

export class BackupNotFound extends DomainError {
  readonly code = 'backup-not-found';
  readonly kind: ErrorKind = 'not-found';
  constructor() {
    super('There is no such backup here. GET /v1/members/{externalId}/backups lists them.');
  }
}

export class BackupNotReady extends DomainError {
  readonly code = 'backup-not-ready';
  readonly kind: ErrorKind = 'conflict';
  constructor(status: string) {
    super(`This backup is ${status}; only one that succeeded can be used. Wait for it, or take another one.`);
  }
}

export class BackupInUse extends DomainError {
  readonly code = 'backup-in-use';
  readonly kind: ErrorKind = 'conflict';
  constructor() {
    super('An agent is being restored from this backup. Delete it when that has ended.');
  }
}

export class BackupLimitReached extends DomainError {
  readonly code = 'backup-limit-reached';
  readonly kind: ErrorKind = 'rule';
  constructor(most: number) {
    super(`A member has at most ${most} backups that were asked for. Delete one first.`);
  }
}

/** An agent that nobody ever spoke to has no folder. */
export class NothingToBackUp extends DomainError {
  readonly code = 'nothing-to-back-up';
  readonly kind: ErrorKind = 'conflict';
  readonly retryable = false;
  constructor() {
    super('This agent has nothing yet: nobody has ever spoken to it.');
  }
}

export class AgentCannotRestore extends DomainError {
  readonly code = 'agent-cannot-restore';
  readonly kind: ErrorKind = 'conflict';
  constructor(why: string) {
    super(`This agent cannot be restored now: ${why}.`);
  }
}

export class TooManyDownloads extends DomainError {
  readonly code = 'too-many-downloads';
  readonly kind = 'limited';
  override readonly retryAfter = 30;
  constructor() {
    super('Too many archives are being downloaded at this moment. Wait until one has ended, then ask again.');
  }
}

export class BackupShared extends DomainError {
  readonly code = 'backup-shared';
  readonly kind: ErrorKind = 'forbidden';
  constructor() {
    super('Others have talked to this agent too, so its archive is not yours alone. Ask whoever runs the site for it.');
  }
}

/** A restore that was to be preceded by a backup of what is there. */
export class FirstBackupFailed extends DomainError {
  readonly code = 'first-backup-failed';
  readonly kind: ErrorKind = 'conflict';
  constructor(why: string) {
    super(
      `What is there now could not be backed up first, so nothing was replaced. ${why} To restore anyway: skipBackup.`,
    );
  }
}

/** The store in which a backup lies is not configured here. */
export class BackupStoreMissing extends DomainError {
  readonly code = 'backup-store-missing';
  readonly kind: ErrorKind = 'unavailable';
  readonly retryable = false;
  constructor(store: string) {
    super(`This backup lies in the store ${store}, which is not configured. Set WIREBOT_BACKUP_S3_BUCKET as it was.`);
  }
}

/** Another process has taken the backup over, or somebody gave it up: what this one does counts no more. */
export class BackupLost extends Error {
  constructor(id: string) {
    super(`the backup ${id} is no longer this process's`);
  }
}
