import { Module } from '@nestjs/common';
import { BackupCoreModule } from '../../backups/backup-core.module.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { MemberExportsController } from './member-exports.controller.js';
import { MemberExportsService } from './member-exports.service.js';
import { OwnExportController } from './own-export.controller.js';

/** What is known of a member, to take home. */
@Module({
  imports: [BackupCoreModule, OperationsModule],
  controllers: [MemberExportsController, OwnExportController],
  providers: [MemberExportsService],
})
export class MemberExportsModule {}
