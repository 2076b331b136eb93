import { Module } from '@nestjs/common';
import { TrustModule } from '../trust/trust.module.js';
import { WorkspaceAccessModule } from '../workspaces/workspace-access.module.js';
import { JwksController } from './jwks.controller.js';
import { MembersReader } from './members.reader.js';
import { RevocationsRepository } from './revocations.repository.js';
import { PersonalIssues } from './personal-issues.js';
import { RevocationsService } from './revocations.service.js';
import { SignInController } from './sign-in.controller.js';
import { SignInService } from './sign-in.service.js';
import { SigningKeyRotation } from './signing-key-rotation.js';
import { SigningKeyUpkeep } from './signing-key-upkeep.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeysService } from './signing-keys.service.js';
import { TokensController } from './tokens.controller.js';
import { TokensService } from './tokens.service.js';

/**
 * Member tokens, their keys, revocations, and sign-in links.
 *
 * app.module.ts must provide globally: ControlPlaneConfig, Database, Ids, Clock, Vault, AuditLog, ChangeNotifier
 * and Counters (of the Coordination). Revocations and new keys are announced on the notifier's channel `routes`.
 */
@Module({
  imports: [TrustModule, WorkspaceAccessModule],
  controllers: [TokensController, JwksController, SignInController, SigningKeysController],
  providers: [
    PersonalIssues,
    MembersReader,
    RevocationsRepository,
    RevocationsService,
    SignInService,
    SigningKeyRotation,
    SigningKeysRepository,
    SigningKeysService,
    SigningKeyUpkeep,
    TokensService,
  ],
  exports: [MembersReader, RevocationsRepository, RevocationsService, SigningKeysService, TokensService],
})
export class TokensModule {}
