import { Module } from '@nestjs/common';
import { CoreModule } from '../core.module.js';
import { OperationsModule } from '../operations/operations.module.js';
import { WakerModule } from '../provisioning/waker.module.js';
import { AdminBackupsService } from './admin-backups.service.js';
import { BackupCommand } from './backup-command.js';
import { BackupCoreModule } from './backup-core.module.js';
import { BackupDrill } from './backup-drill.js';
import { BackupKeyCommand } from './backup-key-command.js';
import { BackupVerifier } from './backup-verifier.js';
import { BackupsService } from './backups.service.js';
import { RestoresService } from './restores.service.js';

/** What `wirebot backup` needs: no listeners, no reconciler, no worker. */
@Module({
  imports: [CoreModule, BackupCoreModule, OperationsModule, WakerModule],
  providers: [
    AdminBackupsService,
    BackupsService,
    RestoresService,
    BackupVerifier,
    BackupDrill,
    BackupKeyCommand,
    BackupCommand,
  ],
})
export class BackupCommandModule {}
