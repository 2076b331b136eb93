import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { SignInAttempts } from '../sign-in/sign-in-attempts.js';
import { ChallengeOver } from './passkeys.errors.js';

export const CHALLENGE_SECONDS = 300;

/** What a challenge is for: it answers nothing else. */
export type ChallengeUse =
  { readonly step: 'sign-in' } | { readonly step: 'register'; readonly userId: string; readonly sessionId: string };

/** Random challenges for authenticators: five minutes, for one use, once. Only a hash is stored. */
@Injectable()
export class Challenges {
  constructor(
    private readonly database: Database,
    private readonly attempts: SignInAttempts,
  ) {}

  /** 32 bytes. */
  async issue(use: ChallengeUse): Promise<Uint8Array<ArrayBuffer>> {
    const userId = use.step === 'register' ? use.userId : null;
    const attempt = { kind: 'passkey', userId, data: { ...use }, seconds: CHALLENGE_SECONDS } as const;
    const { token } = await this.database.system((tx) => this.attempts.issue(tx, attempt));
    return Uint8Array.from(Buffer.from(token, 'base64url'));
  }

  /** The challenge that an authenticator answered, used up with this call. Throws ChallengeOver. */
  async take(credential: Record<string, unknown>, use: ChallengeUse): Promise<string> {
    const challenge = challengeOf(credential);
    const attempt = await this.database.system((tx) => this.attempts.take(tx, 'passkey', challenge));
    if (!challenge || !attempt || !sameUse(attempt.data, use)) throw new ChallengeOver();
    return challenge;
  }
}

function sameUse(stored: unknown, use: ChallengeUse): boolean {
  const found = stored as Partial<Record<string, unknown>>;
  return Object.entries(use).every(([name, value]) => found[name] === value);
}

/** The challenge inside `clientDataJSON`, unverified; undefined when there is none. */
export function challengeOf(credential: Record<string, unknown>): string | undefined {
  const { clientDataJSON } = (credential['response'] ?? {}) as Record<string, unknown>;
  if (typeof clientDataJSON !== 'string') return undefined;
  try {
    const data = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()) as { challenge?: unknown } | null;
    return typeof data?.challenge === 'string' ? data.challenge : undefined;
  } catch {
    return undefined; // reported by the caller as a challenge that is not ours
  }
}
