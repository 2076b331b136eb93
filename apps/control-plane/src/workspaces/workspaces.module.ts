import { Module } from '@nestjs/common';
import { WorkspaceAccess } from './workspace-access.js';

/** Who works together in a workspace, and the invitations that bring them there. */
@Module({
  providers: [WorkspaceAccess],
  exports: [WorkspaceAccess],
})
export class WorkspacesModule {}
