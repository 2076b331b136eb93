import { Clock } from '#libs/kernel';

/**
 * Time during which this process ran: it never steps with the machine's clock, and a freeze (a paused container, a stopped
 * process) counts for two ticks at most. What nobody used for a while is measured by it: frozen time was nobody's to use.
 */
export class RunningClock extends Clock {
  #ran = 0;
  #tickedAt: number;

  constructor(
    private readonly tickMs: number,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    super();
    this.#tickedAt = monotonic();
  }

  /** Call every `tickMs`: whatever is missing then was a freeze. */
  tick(): void {
    this.#ran = this.#now();
    this.#tickedAt = this.monotonic();
  }

  now(): Date {
    return new Date(this.#now());
  }

  #now(): number {
    return this.#ran + Math.min(this.monotonic() - this.#tickedAt, 2 * this.tickMs);
  }
}
