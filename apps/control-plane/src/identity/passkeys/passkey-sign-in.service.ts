import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Clock } from '#libs/kernel';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  type PublicKeyCredentialRequestOptionsJSON,
  type VerifiedAuthenticationResponse,
  verifyAuthenticationResponse,
} from '@simplewebauthn/server';
import { SignInFlow, type SignInOutcome } from '../sign-in/sign-in-flow.js';
import { CHALLENGE_SECONDS, Challenges } from './challenges.js';
import { CloneRefusals } from './clone-refusals.js';
import { PasskeyCloned, PasskeyRefused, PasskeyUnknown } from './passkeys.errors.js';
import { type PasskeyRow, PasskeysRepository } from './passkeys.repository.js';
import { ConsoleRelyingParty } from './relying-party.js';

/** Credential ids have up to 1,023 bytes, in base64url. */
const LONGEST_ID = 1_364;

/** Signing in with a passkey alone: it says whose it is, and the authenticator checked who holds it. */
@Injectable()
export class PasskeySignInService {
  constructor(
    private readonly passkeys: PasskeysRepository,
    private readonly challenges: Challenges,
    private readonly party: ConsoleRelyingParty,
    private readonly flow: SignInFlow,
    private readonly refusals: CloneRefusals,
    private readonly clock: Clock,
  ) {}

  /** The same for everybody: nobody is named, so nothing can be found out about users. */
  async options(): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const { id: rpID } = this.party.get();
    const challenge = await this.challenges.issue({ step: 'sign-in' });
    return generateAuthenticationOptions({
      rpID,
      challenge,
      userVerification: 'required',
      timeout: CHALLENGE_SECONDS * 1_000,
    });
  }

  /** Throws ChallengeOver, PasskeyUnknown, PasskeyRefused, PasskeyCloned or AccountDisabled. */
  async signIn(credential: Record<string, unknown>, reply: FastifyReply): Promise<SignInOutcome> {
    return this.flow.finish(await this.#userOf(credential), 'passkey', reply);
  }

  /** For who is signed in already; another user's passkey proves nothing. */
  async prove(userId: string, credential: Record<string, unknown>): Promise<void> {
    if ((await this.#userOf(credential)) !== userId) throw new PasskeyRefused();
  }

  async #userOf(credential: Record<string, unknown>): Promise<string> {
    const challenge = await this.challenges.take(credential, { step: 'sign-in' });
    const { id } = credential;
    const passkey = typeof id === 'string' && id.length <= LONGEST_ID ? await this.passkeys.find(id) : undefined;
    if (!passkey) throw new PasskeyUnknown();
    const { newCounter, credentialBackedUp, credentialDeviceType } = await this.#verify(credential, challenge, passkey);
    const use = { backedUp: credentialBackedUp, deviceType: credentialDeviceType, at: this.clock.now() };
    if (!(await this.passkeys.advance(passkey.credentialId, { ...use, counter: newCounter }))) {
      await this.refusals.record(passkey, newCounter);
      throw new PasskeyCloned();
    }
    return passkey.userId;
  }

  async #verify(
    credential: Record<string, unknown>,
    expectedChallenge: string,
    passkey: PasskeyRow,
  ): Promise<VerifiedAuthenticationResponse['authenticationInfo']> {
    const { id, origins } = this.party.get();
    const { credentialId, publicKey } = passkey;
    let result: VerifiedAuthenticationResponse;
    try {
      result = await verifyAuthenticationResponse({
        response: credential as unknown as AuthenticationResponseJSON,
        expectedChallenge,
        expectedOrigin: [...origins],
        expectedRPID: id,
        // The counter is compared where it is stored, in one statement; zero leaves it to that.
        credential: { id: credentialId, publicKey, counter: 0 },
        requireUserVerification: true,
      });
    } catch (cause) {
      throw new PasskeyRefused({ cause });
    }
    if (!result.verified || userHandleOf(credential) !== passkey.userId) throw new PasskeyRefused();
    return result.authenticationInfo;
  }
}

/** Whose the authenticator says the passkey is: what the registration gave it. */
function userHandleOf(credential: Record<string, unknown>): string | undefined {
  const { userHandle } = (credential['response'] ?? {}) as Record<string, unknown>;
  return typeof userHandle === 'string' ? Buffer.from(userHandle, 'base64url').toString() : undefined;
}
