import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { ApiKeysService } from './api-keys.service.js';
import { Authenticator } from './authenticator.js';
import { MemberTokens } from './member-tokens.js';
import { SessionsService } from './sessions.service.js';
import { ConsoleCookies } from './sign-in/console-cookies.js';
import { DeviceCookies } from './sign-in/device-cookies.js';
import { PasswordSignInService } from './sign-in/password-sign-in.service.js';
import { SessionController } from './sign-in/session.controller.js';
import { SessionViews } from './sign-in/session-views.js';
import { SignInAttempts } from './sign-in/sign-in-attempts.js';
import { SignInFlow } from './sign-in/sign-in-flow.js';
import { SignInLimits } from './sign-in/sign-in-limits.js';
import { UsersService } from './users.service.js';

/**
 * Who is calling: API keys, admin users and their sessions, and the guard that every route passes.
 *
 * app.module.ts must provide globally: ControlPlaneConfig, Database, Ids, Clock, Counters (of the Coordination).
 */
@Module({
  controllers: [SessionController],
  providers: [
    MemberTokens,
    ApiKeysService,
    UsersService,
    SessionsService,
    Authenticator,
    ConsoleCookies,
    DeviceCookies,
    PasswordSignInService,
    SessionViews,
    SignInAttempts,
    SignInFlow,
    SignInLimits,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [
    ApiKeysService,
    UsersService,
    SessionsService,
    Authenticator,
    ConsoleCookies,
    SignInAttempts,
    SignInFlow,
    SignInLimits,
  ],
})
export class IdentityModule {}
