import { Module } from '@nestjs/common';
import { TokensModule } from '../tokens/tokens.module.js';
import { MeController } from './me.controller.js';
import { OwnInvitationsController } from './own-invitations.controller.js';
import { OwnWorkspacesController } from './own-workspaces.controller.js';
import { OwnProfileService } from './own-profile.service.js';
import { WorkspaceAccessModule } from './workspace-access.module.js';
import { WorkspaceEvents } from './workspace-events.js';
import { WorkspaceInvitationsController } from './workspace-invitations.controller.js';
import { WorkspaceInvitationsRepository } from './workspace-invitations.repository.js';
import { WorkspaceInvitationsService } from './workspace-invitations.service.js';
import { WorkspaceMembersService } from './workspace-members.service.js';
import { WorkspacesController } from './workspaces.controller.js';
import { WorkspacesRepository } from './workspaces.repository.js';
import { WorkspacesService } from './workspaces.service.js';

/** Who works together in a workspace, and the invitations that bring them there. */
@Module({
  imports: [TokensModule, WorkspaceAccessModule],
  controllers: [
    WorkspacesController,
    WorkspaceInvitationsController,
    MeController,
    OwnWorkspacesController,
    OwnInvitationsController,
  ],
  providers: [
    WorkspacesRepository,
    WorkspaceInvitationsRepository,
    WorkspaceEvents,
    OwnProfileService,
    WorkspacesService,
    WorkspaceMembersService,
    WorkspaceInvitationsService,
  ],
})
export class WorkspacesModule {}
