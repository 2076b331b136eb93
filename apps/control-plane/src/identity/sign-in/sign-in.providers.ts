import { RecoveryCodes } from '../second-factor/recovery-codes.js';
import { SecondFactorController } from '../second-factor/second-factor.controller.js';
import { SecondFactorSignInService } from '../second-factor/second-factor-sign-in.service.js';
import { SecondFactorService } from '../second-factor/second-factor.service.js';
import { TotpSetupService } from '../second-factor/totp-setup.service.js';
import { TotpService } from '../second-factor/totp.service.js';
import { AccountController } from './account.controller.js';
import { AccountSessionsService } from './account-sessions.service.js';
import { ConsoleCookies } from './console-cookies.js';
import { DeviceCookies } from './device-cookies.js';
import { LinkSignInService } from './link-sign-in.service.js';
import { MailedLinksService } from './mailed-links.service.js';
import { PasswordSignInService } from './password-sign-in.service.js';
import { PasswordsService } from './passwords.service.js';
import { RecentProof } from './recent-proof.js';
import { SecurityNotices } from './security-notices.js';
import { SessionController } from './session.controller.js';
import { SessionViews } from './session-views.js';
import { SignInAttempts } from './sign-in-attempts.js';
import { SignInController } from './sign-in.controller.js';
import { SignInFlow } from './sign-in-flow.js';
import { SignInLimits } from './sign-in-limits.js';
import { SignInMethods } from './sign-in-methods.js';

/** Console sign-in, as parts of IdentityModule: the guard needs the cookies, and sign-in needs the sessions. */
export const SIGN_IN_CONTROLLERS = [SessionController, SignInController, AccountController, SecondFactorController];

/** For features that add a way to sign in, or want a recent proof. */
export const SIGN_IN_EXPORTS = [
  ConsoleCookies,
  MailedLinksService,
  RecentProof,
  SecurityNotices,
  SignInAttempts,
  SignInFlow,
  SignInLimits,
  SignInMethods,
];

export const SIGN_IN_PROVIDERS = [
  ...SIGN_IN_EXPORTS,
  AccountSessionsService,
  DeviceCookies,
  LinkSignInService,
  PasswordSignInService,
  PasswordsService,
  RecoveryCodes,
  SecondFactorService,
  SecondFactorSignInService,
  SessionViews,
  TotpService,
  TotpSetupService,
];
