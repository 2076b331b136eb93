import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable } from '@nestjs/common';
import { LeaseLost } from './provisioning.errors.js';

/** A lease as its holder sees it: good until then, by its own clocks. */
export class HeldLease {
  #goodUntil = 0;
  #wallUntil = 0;

  constructor(
    readonly id: string,
    private readonly seconds: number,
    /** Extends it in the database; false: somebody else has it. */
    private readonly renewal: () => Promise<boolean>,
    since: Instant = now(),
  ) {
    this.#extend(since);
  }

  /** By both clocks: one stands still while the machine sleeps, the other can be set. */
  get isFresh(): boolean {
    const { monotonic, wall } = now();
    return monotonic < this.#goodUntil && wall < this.#wallUntil;
  }

  async renew(): Promise<boolean> {
    const since = now();
    const ours = await this.renewal();
    if (ours) this.#extend(since);
    return ours;
  }

  #extend(since: Instant): void {
    this.#goodUntil = since.monotonic + this.seconds * 1_000;
    this.#wallUntil = since.wall + this.seconds * 1_000;
  }
}

/** One moment by both clocks, in milliseconds. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

const now = (): Instant => ({ monotonic: performance.now(), wall: Date.now() });

/**
 * Keeps a pass that was frozen (a stopped process, a suspended machine) from acting on what it knew before: whatever changes
 * the world asks first, and once the lease may have run out it is asked for in the database again. Rows have their fence; an
 * engine has none, so this is its fence, up to the instant between the question and the call.
 */
@Injectable()
export class LeaseGuard {
  readonly #held = new AsyncLocalStorage<HeldLease>();

  run<T>(lease: HeldLease, work: () => Promise<T>): Promise<T> {
    return this.#held.run(lease, work);
  }

  /** Throws LeaseLost. Outside a pass there is nothing to lose. */
  async assertHeld(): Promise<void> {
    const lease = this.#held.getStore();
    if (!lease || lease.isFresh) return;
    if (!(await lease.renew())) throw new LeaseLost(lease.id);
  }

  /** The same object, each of whose calls asks first. `except`: names of what only reads. */
  guarded<T extends object>(target: T, except: ReadonlySet<string>): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name);
        if (typeof value !== 'function') return value;
        const call = value as (...args: unknown[]) => unknown;
        if (typeof name !== 'string' || except.has(name)) return call.bind(object);
        return async (...args: unknown[]): Promise<unknown> => {
          await this.assertHeld();
          return call.apply(object, args);
        };
      },
    });
  }
}
