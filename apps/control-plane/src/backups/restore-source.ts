import { Injectable } from '@nestjs/common';
import { BackupObjectMissing, type OpenedArchive } from '#libs/backup';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { BackupArchives } from './backup-archives.js';
import { BackupNotReady } from './backups.errors.js';
import type { BackupRow } from './backup-rows.js';
import { BackupsRepository } from './backups.repository.js';

/** What was read and found right so recently is not read again before it is used. */
const CHECKED_MS = 600_000;

/** Where the backup of what is there now stands. */
export type FirstBackup =
  { readonly state: 'none' | 'made' | 'under-way' } | { readonly state: 'failed'; readonly why: string };

/** Backups as the reconciler needs them: to put one in an agent's place. */
@Injectable()
export class RestoreSource {
  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
    private readonly clock: Clock,
  ) {}

  /** Throws unless it can be used. */
  async get(backupId: string): Promise<BackupRow> {
    const row = await this.backups.findAny(backupId);
    if (!row) throw new BackupObjectMissing();
    if (row.status !== 'succeeded') throw new BackupNotReady(row.status);
    return row;
  }

  /** Reads all of it once before anything is touched. Throws BackupDamaged, or that the store is away. */
  async check(row: BackupRow, signal: AbortSignal): Promise<void> {
    const checkedAt = row.verifiedAt?.getTime() ?? 0;
    if (this.clock.now().getTime() - checkedAt < CHECKED_MS) return;
    await this.archives.check(row, signal);
    await this.backups.noteVerified(row.id, null);
  }

  open(row: BackupRow, signal: AbortSignal): Promise<OpenedArchive> {
    return this.archives.open(row, signal);
  }

  /** The backup of what is there now, which an operation waits for. */
  async first(operationId: string): Promise<FirstBackup> {
    const rows = await this.database.system((tx) => this.backups.ofOperation(tx, operationId));
    const row = rows.find(({ kind }) => kind === 'pre-restore');
    if (!row) return { state: 'none' };
    if (row.status === 'succeeded') return { state: 'made' };
    if (row.status !== 'failed') return { state: 'under-way' };
    const why = row.error as { code?: string; message?: string } | null;
    return why?.code === 'nothing-to-back-up' ? { state: 'none' } : { state: 'failed', why: why?.message ?? '' };
  }

  /** The newest good one of the same agent that is older; undefined: there is none. */
  async olderThan(row: BackupRow): Promise<BackupRow | undefined> {
    return this.database.system((tx) => this.backups.newestGood(tx, row.tenantId, row.agentId, row.createdAt));
  }
}
