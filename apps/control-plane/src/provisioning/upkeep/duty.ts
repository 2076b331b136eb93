import type { Leadership } from '#libs/database';

/** Regular work that one process at a time does for all: inventory, pool, rollouts, schedules. */
export interface Duty {
  /** Kebab-case; names the leadership. */
  readonly name: string;
  readonly everyMs: number;
  /**
   * One round. Whatever it writes, it writes after `assertLeadership(tx, lead)` in the same transaction; a round that throws is
   * logged and comes again. Must end soon after the signal aborts.
   */
  run(lead: Leadership, signal: AbortSignal): Promise<void>;
}
