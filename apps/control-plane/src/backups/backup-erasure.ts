import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { BackupArchives } from './backup-archives.js';
import { BackupsRepository } from './backups.repository.js';

const BATCH = 50;

/** Deletes every backup of an agent that is being erased: objects, then rows. */
@Injectable()
export class BackupErasure {
  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
  ) {}

  /** False while one of them is still being made: its process hears of it and lets go, then call it again. */
  async erase(agent: { readonly id: string; readonly tenantId: string }, signal: AbortSignal): Promise<boolean> {
    const whose = { tenantId: agent.tenantId, agentId: agent.id };
    await this.database.system((tx) => this.backups.giveUp(tx, whose));
    for (;;) {
      const rows = await this.backups.deletable(whose, BATCH);
      if (rows.length === 0) break;
      for (const row of rows) {
        signal.throwIfAborted();
        await this.archives.remove(row, signal);
        await this.backups.forget(row.id);
      }
    }
    return (await this.database.system((tx) => tx.backup.count({ where: whose }))) === 0;
  }
}
