import { LIMITS } from '../limits.js';

const TICK = 1_000;

/**
 * The agreement to take no new work because the process is about to be frozen or ended. It ends when it is told to, or after
 * 30 s during which this process ran: a freeze in between does not count, however long it was.
 */
export class Suspension {
  #ticksLeft = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly ended: () => void) {}

  get isActive(): boolean {
    return this.#timer !== undefined;
  }

  /** Begins it, or begins its time again. */
  begin(): void {
    this.#ticksLeft = LIMITS.suspension / TICK;
    clearInterval(this.#timer);
    // Many short waits: of a freeze, each sees at most its own end.
    this.#timer = setInterval(() => this.#tick(), TICK).unref();
  }

  end(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.ended();
  }

  #tick(): void {
    this.#ticksLeft -= 1;
    if (this.#ticksLeft <= 0) this.end();
  }
}
