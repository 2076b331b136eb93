import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { ApiKeysService } from './api-keys.service.js';
import { Authenticator } from './authenticator.js';
import { MemberTokens } from './member-tokens.js';
import { KeysController } from './keys.controller.js';
import { SessionController } from './session.controller.js';
import { SessionsService } from './sessions.service.js';
import { UsersService } from './users.service.js';

/**
 * Who is calling: API keys, admin users and their sessions, and the guard that every route passes.
 *
 * app.module.ts must provide globally: ControlPlaneConfig, Database, Ids, Clock, Counters (of the Coordination).
 */
@Module({
  controllers: [SessionController, KeysController],
  providers: [
    MemberTokens,
    ApiKeysService,
    UsersService,
    SessionsService,
    Authenticator,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [ApiKeysService, UsersService, SessionsService, Authenticator],
})
export class IdentityModule {}
