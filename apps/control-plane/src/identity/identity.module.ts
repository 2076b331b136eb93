import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { MailModule } from '../mail/mail.module.js';
import { AccessGuard } from './access.guard.js';
import { ApiKeysService } from './api-keys.service.js';
import { Authenticator } from './authenticator.js';
import { MemberTokens } from './member-tokens.js';
import { SessionsService } from './sessions.service.js';
import { SIGN_IN_CONTROLLERS, SIGN_IN_EXPORTS, SIGN_IN_PROVIDERS } from './sign-in/sign-in.providers.js';
import { UsersService } from './users.service.js';

/**
 * Who is calling: API keys, admin users and their sessions, and the guard that every route passes.
 *
 * app.module.ts must provide globally: ControlPlaneConfig, Database, Ids, Clock, Counters and ChangeNotifier (of the
 * Coordination), PlatformKeys, Vault, AuditLog.
 */
@Module({
  imports: [MailModule],
  controllers: SIGN_IN_CONTROLLERS,
  providers: [
    MemberTokens,
    ApiKeysService,
    UsersService,
    SessionsService,
    Authenticator,
    ...SIGN_IN_PROVIDERS,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [ApiKeysService, UsersService, SessionsService, Authenticator, ...SIGN_IN_EXPORTS],
})
export class IdentityModule {}
