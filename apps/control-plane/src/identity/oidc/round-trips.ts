import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { sameSecret } from '../secrets.js';
import { SignInAttempts } from '../sign-in/sign-in-attempts.js';
import { RoundTripOver } from './oidc.errors.js';

export const ROUND_TRIP_SECONDS = 600;

/** What the provider has to send back or is asked for, all derived from the one secret that only the browser holds. */
export interface RoundTripProof {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export interface RoundTrip {
  readonly providerId: string;
  /** A path of this origin. */
  readonly returnTo: string;
  /** Who links an account to themselves; null when somebody signs in. */
  readonly link: { readonly userId: string; readonly sessionId: string } | null;
}

/** Nothing to store and nothing to steal from the database: whoever lacks the cookie knows neither state, nonce nor verifier. */
export function proofOf(secret: string): RoundTripProof {
  const derive = (purpose: string) =>
    createHmac('sha256', secret).update(`wirebot/oidc/${purpose}`).digest('base64url');
  return { state: derive('state'), nonce: derive('nonce'), codeVerifier: derive('code-verifier') };
}

/** The way to a provider and back: ten minutes, once, in the browser that began it. */
@Injectable()
export class RoundTrips {
  constructor(
    private readonly database: Database,
    private readonly attempts: SignInAttempts,
  ) {}

  /** `secret` goes into the browser's cookie and nowhere else. */
  async begin(trip: RoundTrip): Promise<{ readonly secret: string; readonly proof: RoundTripProof }> {
    const attempt = {
      kind: 'oidc',
      userId: trip.link?.userId ?? null,
      data: { ...trip, link: trip.link && { ...trip.link } },
      seconds: ROUND_TRIP_SECONDS,
    } as const;
    const { token: secret } = await this.database.system((tx) => this.attempts.issue(tx, attempt));
    return { secret, proof: proofOf(secret) };
  }

  /**
   * Ends the round trip. A state that is not this browser's leaves it open: a foreign page that sends the browser here with
   * something made up must not break a sign-in that is under way. Throws RoundTripOver.
   */
  async end(
    providerId: string,
    secret: string | undefined,
    state: string | null,
  ): Promise<{ readonly trip: RoundTrip; readonly proof: RoundTripProof }> {
    if (!secret || state === null) throw new RoundTripOver();
    const proof = proofOf(secret);
    if (!sameSecret(proof.state, state)) throw new RoundTripOver();
    const attempt = await this.database.system((tx) => this.attempts.take(tx, 'oidc', secret));
    const trip = attempt?.data as unknown as RoundTrip | undefined;
    if (trip?.providerId !== providerId) throw new RoundTripOver();
    return { trip, proof };
  }
}
