import { CLOCK_SKEW_SECONDS } from '#libs/tokens';
import { TOKEN_LIFE } from './token-limits.js';

/**
 * The life of a signing key. All of its dates are written when the next key is made, so that nothing has to run at the
 * moments themselves: which key signs is a question of what time it is.
 */
export const KEY_LIFE = {
  /** A key is published this long before it signs: a verifier that was cut off for less never meets a key it does not know. */
  publishedAheadMs: 3_600_000,
  /** After a key's last token has ended it stays this much longer, for clocks that differ. */
  marginMs: 300_000,
} as const;

/** What decides a key's part. */
export interface KeyDates {
  readonly activeFrom: Date;
  readonly retiredAt: Date | null;
  readonly removeAfter: Date | null;
}

export type KeyStatus = 'published' | 'signing' | 'retired' | 'removed';

export function statusOf({ activeFrom, retiredAt, removeAfter }: KeyDates, now: Date): KeyStatus {
  if (removeAfter && removeAfter <= now) return 'removed';
  if (retiredAt && retiredAt <= now) return 'retired';
  return activeFrom <= now ? 'signing' : 'published';
}

/** When nothing that a key signed until then can be valid any more. */
export const removableAfter = (retiredAt: Date): Date =>
  new Date(retiredAt.getTime() + (TOKEN_LIFE.session + CLOCK_SKEW_SECONDS) * 1_000 + KEY_LIFE.marginMs);

/** True when the newest key has signed, or will have by the time its successor may, for as long as a key signs. */
export const isRotationDue = (newest: KeyDates, now: Date, days: number): boolean =>
  newest.activeFrom.getTime() + days * 86_400_000 <= now.getTime() + KEY_LIFE.publishedAheadMs;
