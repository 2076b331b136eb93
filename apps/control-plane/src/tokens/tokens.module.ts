import { Module } from '@nestjs/common';
import { JwksController } from './jwks.controller.js';
import { MembersReader } from './members.reader.js';
import { RevocationsService } from './revocations.service.js';
import { SignInController } from './sign-in.controller.js';
import { SignInService } from './sign-in.service.js';
import { SigningKeysService } from './signing-keys.service.js';
import { TokensController } from './tokens.controller.js';
import { TokensService } from './tokens.service.js';

/**
 * Member tokens, their keys, revocations, and sign-in links.
 *
 * app.module.ts must provide globally: ControlPlaneConfig, Database, Ids, Clock, SecretBox, AuditLog, ChangeNotifier (of the
 * Coordination). Revocations and new keys are announced on the notifier's channel `routes`.
 */
@Module({
  controllers: [TokensController, JwksController, SignInController],
  providers: [MembersReader, RevocationsService, SignInService, SigningKeysService, TokensService],
  exports: [SigningKeysService, TokensService, RevocationsService],
})
export class TokensModule {}
