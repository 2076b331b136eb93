/** What a worker can be woken for. */
export const WAKE_KINDS = ['agent', 'gateway', 'outbox'] as const;
export type WakeKind = (typeof WAKE_KINDS)[number];

export interface Wake {
  readonly kind: WakeKind;
  readonly id: string;
}

export type WakeHandler = (wake: Wake, signal: AbortSignal) => Promise<void>;

/**
 * Wakes one worker soon. The truth is in the database and workers also poll, so losing everything in here is harmless.
 *
 * - Wakes of one kind and id that wait at the same time become one run; runs of one kind and id never overlap.
 * - A wake that arrives during its own run leads to another run after it.
 * - Delayed wakes of one kind and id that fall due in the same second become one; they never hold back an immediate one.
 */
export abstract class WakeQueue {
  /** Never rejects: a store that is down is reported to `onError` and given up within two seconds. */
  abstract wake(kind: WakeKind, id: string, delayMs?: number): Promise<void>;
  /**
   * Runs `handler` for wakes until `signal` aborts; resolves once running handlers ended (they get the signal and
   * `stopGraceMs`). A handler that throws is reported to `onError` and not run again for that wake.
   */
  abstract consume(handler: WakeHandler, options: { readonly concurrency: number }, signal: AbortSignal): Promise<void>;
}
