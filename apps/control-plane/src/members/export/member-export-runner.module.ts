import { Module } from '@nestjs/common';
import { OperationsModule } from '../../operations/operations.module.js';
import { MemberExportRunner } from './member-export-runner.js';

/** The part of exports that a worker runs. */
@Module({
  imports: [OperationsModule],
  providers: [MemberExportRunner],
  exports: [MemberExportRunner],
})
export class MemberExportRunnerModule {}
