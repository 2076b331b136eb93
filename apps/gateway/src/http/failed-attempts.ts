import { CHAT_LIMITS } from '#libs/contracts';
import type { Clock } from '#libs/kernel';

const MINUTE = 60_000;
/** Addresses remembered at once; beyond, the oldest is forgotten, so that strangers cannot fill the memory. */
const MOST_ADDRESSES = 10_000;

/**
 * Failed authentications per address and minute. Only failures are refused earlier because of it: a valid token always
 * passes, so one bad client behind an address does not lock out the others there.
 */
export class FailedAttempts {
  readonly #attempts = new Map<string, { since: number; count: number }>();

  constructor(private readonly clock: Clock) {}

  /** Counts one; the seconds to wait when the address is over the limit. */
  add(address: string): number | undefined {
    const now = this.clock.now().getTime();
    let entry = this.#attempts.get(address);
    if (!entry || now - entry.since >= MINUTE) {
      this.#attempts.delete(address);
      entry = { since: now, count: 0 };
      this.#attempts.set(address, entry);
      if (this.#attempts.size > MOST_ADDRESSES) this.#attempts.delete(this.#attempts.keys().next().value!);
    }
    entry.count += 1;
    if (entry.count <= CHAT_LIMITS.failedAuthPerMinute) return undefined;
    return Math.max(1, Math.ceil((entry.since + MINUTE - now) / 1000));
  }
}
