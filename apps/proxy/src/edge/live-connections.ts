import type { RouteTable } from '#libs/routing';
import { type Clock, type DomainError, SystemClock } from '#libs/kernel';
import { endOf, type Grant, type TokenGate } from './token-gate.js';

/** Ends are noticed this often. */
const TICK_MS = 1_000;

interface Live {
  readonly grant: Grant;
  /** The second it is found by. */
  readonly due: number;
  readonly end: (fault: DomainError) => void;
}

/**
 * What is open by virtue of a token: sockets and requests whose answers are still running. Each is ended as soon as its token
 * is: when it expires, when it, its member or its tenant is revoked, when its key is withdrawn, when the tenant is suspended.
 *
 * One timer for all of them, and no work while nothing happens: a second's expired tokens are found by the second, and
 * everything is looked at only when a frame of the route feed may have ended access.
 */
export class LiveConnections {
  /** By the second after which the token is good for nothing. */
  readonly #byEnd = new Map<number, Set<Live>>();
  #size = 0;
  #reviewed = 0;
  #ticked: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly gate: TokenGate,
    private readonly table: RouteTable,
    private readonly clock: Clock = new SystemClock(),
    /** Told why, each time something is ended. */
    private readonly onEnd: (code: string) => void = () => undefined,
  ) {
    this.#ticked = this.#second();
  }

  get size(): number {
    return this.#size;
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** `end` is called at most once, and not after the returned function was called. */
  add(grant: Grant, end: (fault: DomainError) => void): () => void {
    // A second that has been looked at already is not looked at again.
    const live = { grant, end, due: Math.max(endOf(grant.claims), this.#ticked + 1) };
    const set = this.#byEnd.get(live.due) ?? new Set();
    this.#byEnd.set(live.due, set.add(live));
    this.#size += 1;
    // It may have ended while the connection was being made, before anybody could tell this one.
    if (this.gate.faultOf(grant)) queueMicrotask(() => this.#check(live));
    return () => this.#remove(live);
  }

  /** Ends what is not given any more. Cheap when nothing has changed that could end anything. */
  review(force = false): void {
    if (!force && this.#reviewed === this.table.accessChanges) return;
    this.#reviewed = this.table.accessChanges;
    for (const set of this.#byEnd.values()) for (const live of set) this.#check(live);
  }

  /** Ends what has expired since the last time. */
  tick(): void {
    const now = this.#second();
    // A clock that was set back has ended nothing; one that jumped ahead has passed many seconds at once.
    const passed = Math.max(0, now - this.#ticked);
    const due =
      passed > this.#byEnd.size
        ? [...this.#byEnd.keys()].filter((second) => second <= now)
        : Array.from({ length: passed }, (_, back) => now - back);
    this.#ticked = now;
    for (const second of due) for (const live of this.#byEnd.get(second) ?? []) this.#check(live);
  }

  #check(live: Live): void {
    const fault = this.gate.faultOf(live.grant);
    if (!fault || !this.#remove(live)) return;
    this.onEnd(fault.code);
    live.end(fault);
  }

  #remove(live: Live): boolean {
    const set = this.#byEnd.get(live.due);
    if (!set?.delete(live)) return false;
    if (set.size === 0) this.#byEnd.delete(live.due);
    this.#size -= 1;
    return true;
  }

  #second(): number {
    return Math.floor(this.clock.now().getTime() / 1_000);
  }
}
