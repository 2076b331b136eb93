import { Module } from '@nestjs/common';
import { WorkspaceAccess } from './workspace-access.js';

/** Who may use which workspace: for whoever issues tokens, and apart from the API that changes it. */
@Module({
  providers: [WorkspaceAccess],
  exports: [WorkspaceAccess],
})
export class WorkspaceAccessModule {}
