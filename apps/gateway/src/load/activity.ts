import type { BusyReason } from '#libs/contracts';
import type { Clock } from '#libs/kernel';
import { LIMITS } from '../limits.js';
import type { LoopDelay } from './loop-delay.js';

/** As far as it matters here, a response that is being written. */
export interface Outgoing {
  readonly writableEnded: boolean;
  once(event: 'close' | 'prefinish', listener: () => void): unknown;
  /** Ends the connection when nothing moved on it for that long. */
  setTimeout(milliseconds: number): unknown;
}

/**
 * Who is being served at this moment, and when somebody last was. Whoever comes is counted in the tick in which they come
 * and until they have got everything: between two looks at `reasons` in one tick nobody can slip in.
 */
export class Activity {
  readonly #requests = new Set<Outgoing>();
  #sockets = 0;
  #usedAt: number;

  /** `uptime`: a clock that never jumps. */
  constructor(
    private readonly clock: Clock,
    private readonly uptime: Clock,
    private readonly delay: LoopDelay,
  ) {
    this.#usedAt = this.#ran();
  }

  /** A request came; it ends with its response. */
  request(response: Outgoing): void {
    this.delay.watch();
    this.#requests.add(response);
    response.once('close', () => this.#requests.delete(response));
    // Somebody who never takes their answer must not keep the gateway awake for ever.
    response.once('prefinish', () => response.setTimeout(LIMITS.deliverWithin));
  }

  socketOpened(): void {
    this.delay.watch();
    this.#sockets += 1;
  }

  socketClosed(): void {
    this.#sockets -= 1;
  }

  /** Somebody who may be here did something, or something was done for them. */
  used(): void {
    this.delay.watch();
    this.#usedAt = this.#ran();
  }

  /** Why the connections keep the process awake. An answer that is written and not yet taken is a delivery. */
  reasons(): BusyReason[] {
    const responses = [...this.#requests];
    return [
      ...(this.#sockets > 0 ? (['socket'] as const) : []),
      ...(responses.some((response) => !response.writableEnded) ? (['request'] as const) : []),
      ...(responses.some((response) => response.writableEnded) ? (['delivery'] as const) : []),
    ];
  }

  /** When somebody was served last, as a date of now's clock: a step of the clock in between does not count. */
  usedAt(): Date {
    return new Date(this.clock.now().getTime() - (this.#ran() - this.#usedAt));
  }

  #ran(): number {
    return this.uptime.now().getTime();
  }
}
