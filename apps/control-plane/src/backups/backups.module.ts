import { Module } from '@nestjs/common';
import { OperationsModule } from '../operations/operations.module.js';
import { ProvisioningModule } from '../provisioning/provisioning.module.js';
import { UpkeepModule } from '../provisioning/upkeep/upkeep.module.js';
import { AdminBackupsController } from './admin-backups.controller.js';
import { AdminBackupsService } from './admin-backups.service.js';
import { BackupCoreModule } from './backup-core.module.js';
import { BackupDuty } from './backup-duty.js';
import { BackupRetention } from './backup-retention.js';
import { BackupRunner } from './backup-runner.js';
import { BackupSchedule } from './backup-schedule.js';
import { BackupWorker } from './backup-worker.js';
import { BackupsController } from './backups.controller.js';
import { BackupsService } from './backups.service.js';
import { OwnBackupsController } from './own-backups.controller.js';
import { RestoresService } from './restores.service.js';

/** Agents' folders, kept elsewhere: made on schedule or on request, read back by the reconciler. */
@Module({
  imports: [BackupCoreModule, ProvisioningModule, OperationsModule, UpkeepModule],
  controllers: [BackupsController, OwnBackupsController, AdminBackupsController],
  providers: [
    BackupsService,
    RestoresService,
    AdminBackupsService,
    BackupSchedule,
    BackupRetention,
    BackupRunner,
    BackupWorker,
    BackupDuty,
  ],
})
export class BackupsModule {}
