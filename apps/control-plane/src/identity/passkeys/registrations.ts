import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import {
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type RegistrationResponseJSON,
  type VerifiedRegistrationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import type { CurrentUser } from '../decorators.js';
import { CHALLENGE_SECONDS, Challenges } from './challenges.js';
import { PasskeyNotAccepted, TooManyPasskeys } from './passkeys.errors.js';
import { PasskeysRepository } from './passkeys.repository.js';
import { ConsoleRelyingParty } from './relying-party.js';

export const MOST_PASSKEYS = 20;
export type MadePasskey = NonNullable<VerifiedRegistrationResponse['registrationInfo']>;

/** The conversation with an authenticator that makes a passkey. */
@Injectable()
export class Registrations {
  constructor(
    private readonly database: Database,
    private readonly passkeys: PasskeysRepository,
    private readonly challenges: Challenges,
    private readonly party: ConsoleRelyingParty,
  ) {}

  /** What the browser asks its authenticator for: a passkey that says by itself whose it is, kept behind a PIN or a body part. */
  async options({ userId, sessionId }: CurrentUser): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const { id: rpID } = this.party.get();
    const select = { email: true, name: true } as const;
    const user = await this.database.system((tx) => tx.user.findUniqueOrThrow({ where: { id: userId }, select }));
    const known = await this.passkeys.list(userId);
    if (known.length >= MOST_PASSKEYS) throw new TooManyPasskeys(MOST_PASSKEYS);
    return generateRegistrationOptions({
      rpName: 'Wirebot',
      rpID,
      userID: Uint8Array.from(Buffer.from(userId)),
      userName: user.email,
      userDisplayName: user.name ?? user.email,
      challenge: await this.challenges.issue({ step: 'register', userId, sessionId }),
      timeout: CHALLENGE_SECONDS * 1_000,
      attestationType: 'none',
      excludeCredentials: known.map(({ credentialId: id, transports }) => ({ id, transports })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
  }

  /** What the authenticator made. Throws ChallengeOver or PasskeyNotAccepted. */
  async verify({ userId, sessionId }: CurrentUser, credential: Record<string, unknown>): Promise<MadePasskey> {
    const { id, origins } = this.party.get();
    const expectedChallenge = await this.challenges.take(credential, { step: 'register', userId, sessionId });
    try {
      const { registrationInfo } = await verifyRegistrationResponse({
        response: credential as unknown as RegistrationResponseJSON,
        expectedChallenge,
        expectedOrigin: [...origins],
        expectedRPID: id,
        requireUserVerification: true,
      });
      if (registrationInfo) return registrationInfo;
    } catch (cause) {
      throw new PasskeyNotAccepted({ cause });
    }
    throw new PasskeyNotAccepted();
  }
}
