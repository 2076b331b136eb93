import { Module, type OnModuleInit } from '@nestjs/common';
import { IdentityModule } from '../identity.module.js';
import { OidcModule } from '../oidc/oidc.module.js';
import { SignInMethods } from '../sign-in/sign-in-methods.js';
import { Challenges } from './challenges.js';
import { CloneRefusals } from './clone-refusals.js';
import { PasskeySignInService } from './passkey-sign-in.service.js';
import { PasskeysController, PasskeySignInController } from './passkeys.controller.js';
import { PasskeysRepository } from './passkeys.repository.js';
import { PasskeysService } from './passkeys.service.js';
import { Registrations } from './registrations.js';
import { ConsoleRelyingParty } from './relying-party.js';

/** Passkeys (WebAuthn): a way to sign in to the consoles that is two factors in one. */
@Module({
  imports: [IdentityModule, OidcModule],
  controllers: [PasskeysController, PasskeySignInController],
  providers: [
    Challenges,
    CloneRefusals,
    ConsoleRelyingParty,
    PasskeysRepository,
    PasskeysService,
    PasskeySignInService,
    Registrations,
  ],
})
export class PasskeysModule implements OnModuleInit {
  constructor(
    private readonly methods: SignInMethods,
    private readonly party: ConsoleRelyingParty,
  ) {}

  onModuleInit(): void {
    this.methods.register(() => Promise.resolve({ passkeys: this.party.available }));
  }
}
