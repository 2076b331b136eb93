import { Module } from '@nestjs/common';
import { BackupArchives } from './backup-archives.js';
import { BackupErasure } from './backup-erasure.js';
import { BackupKeys } from './backup-keys.js';
import { BackupStores } from './backup-stores.js';
import { BackupsRepository } from './backups.repository.js';
import { RestoreSource } from './restore-source.js';

const PARTS = [BackupStores, BackupKeys, BackupArchives, BackupsRepository, BackupErasure, RestoreSource];

/** Backups as rows and objects; apart from who makes them, because the reconcilers read and erase them too. */
@Module({ providers: PARTS, exports: PARTS })
export class BackupCoreModule {}
