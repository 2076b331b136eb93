import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { assertLeadership, Database, type Leadership } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Log } from '../log.js';
import { BackupArchives } from './backup-archives.js';
import { tidyDrills } from './backup-drill.js';
import { BackupStores } from './backup-stores.js';
import { BackupsRepository } from './backups.repository.js';

/** That a backup failed, and why, can be read so long. */
const FAILED_DAYS = 14;
/** Uploads and drills that never ended are taken away after so long: no backup takes that. */
const PARTIAL_MS = 86_400_000;
const BATCH = 100;

/** Takes backups away: first the object, then the row, so that there is never an object that no row knows of. */
@Injectable()
export class BackupRetention {
  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
    private readonly stores: BackupStores,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Marks those whose time is over. The last good one of an agent stays, however old it is, and so does one that an agent is
   * being restored from.
   */
  async expire(lead: Leadership): Promise<number> {
    const now = this.clock.now();
    const failedBefore = new Date(now.getTime() - FAILED_DAYS * 86_400_000);
    return this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      return tx.$executeRaw`
        UPDATE backups b SET status = 'deleting'
        WHERE (b.status = 'failed' AND b.finished_at < ${failedBefore}
          OR b.status = 'succeeded' AND b.expires_at <= ${now}
            AND EXISTS (
              SELECT FROM backups newer WHERE newer.tenant_id = b.tenant_id AND newer.agent_id = b.agent_id
                AND newer.status = 'succeeded' AND newer.created_at > b.created_at))
          AND NOT EXISTS (SELECT FROM agents a WHERE a.restore_backup_id = b.id)`;
    });
  }

  /** Deletes what was given up: by its time, by somebody, or because its owner is erased. One that fails keeps no other. */
  async deleteGivenUp(signal: AbortSignal): Promise<number> {
    let deleted = 0;
    for (const row of await this.backups.deletable({}, BATCH)) {
      signal.throwIfAborted();
      try {
        await this.archives.remove(row, signal);
        await this.backups.forget(row.id);
        deleted += 1;
      } catch (err) {
        if (signal.aborted) throw err;
        this.log.warn({ err, backup: row.id }, 'backup not deleted; it comes again');
      }
    }
    return deleted;
  }

  /** What crashes have left of uploads and of drills. Whole objects that no row knows are only reported (`backup verify`). */
  async tidyStores(signal: AbortSignal): Promise<void> {
    const before = new Date(this.clock.now().getTime() - PARTIAL_MS);
    const drills = await tidyDrills(this.config.dataDir, before);
    if (drills > 0) this.log.info({ removed: drills }, 'folders of drills that were cut short removed');
    for (const store of await this.stores.all()) {
      const removed = await store.discardPartial(before, signal);
      if (removed > 0) this.log.info({ store: store.name, removed }, 'unfinished uploads removed');
    }
  }
}
