/** Waits before the second, third, ... attempt, in seconds (Standard Webhooks' own proposal). Then the delivery has failed. */
export const RETRY_AFTER_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] as const;
export const MAX_ATTEMPTS = RETRY_AFTER_SECONDS.length + 1;
/** A receiver may ask for more time with `Retry-After`, up to this, in seconds. */
const MAX_ASKED_SECONDS = 86_400;
/** An endpoint that has failed for this long without one success is disabled, in milliseconds. */
export const DISABLE_AFTER_MS = 5 * 86_400_000;

/**
 * Milliseconds until the next attempt after `attempts` of them failed; null when there is none left. Spread by up to a
 * quarter, so that a receiver that comes back is not met by everything at once.
 */
export function nextAttemptIn(
  attempts: number,
  askedSeconds: number | null,
  random: () => number = Math.random,
): number | null {
  const wait = RETRY_AFTER_SECONDS[attempts - 1];
  if (wait === undefined) return null;
  const asked = Math.min(askedSeconds ?? 0, MAX_ASKED_SECONDS) * 1_000;
  return Math.max(asked, wait * 1_000 + Math.round(wait * 250 * random()));
}

/** Seconds of a Retry-After header, which is a number or a date; null when it is neither. */
export function retryAfterOf(header: string | undefined, now: Date): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now.getTime()) / 1_000));
}
