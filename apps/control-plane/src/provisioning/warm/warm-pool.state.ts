import { backoff } from '#libs/kernel';

/** Why nothing is made at the moment, or what happened last, for people. */
export interface WarmNote {
  /** Stable kebab-case. */
  readonly reason: string;
  readonly message: string;
}

/** How the last fills went: kept on the installation's row. */
export interface WarmPoolState {
  /** What `failures` is about: another image or setting starts anew. */
  readonly subject?: string;
  /** In a row. */
  readonly failures?: number;
  readonly lastFailure?: (WarmNote & { readonly at: string }) | null;
  readonly nextTryAt?: string | null;
  /** Too many failures: nothing is tried until `subject` changes. */
  readonly stopped?: boolean;
  readonly note?: WarmNote | null;
  /** Claims that were not answered, in a row. */
  readonly claimFailures?: number;
  /** Until then agents are placed as if the pool were empty. */
  readonly heldUntil?: string | null;
}

/** Not the image's or the settings' fault: tried for ever, with pauses. */
const NOBODYS_FAULT: readonly string[] = [
  'engine-unreachable',
  'engine-timeout',
  'port-range-full',
  'internal-error',
  'host-not-answering',
];

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 1_800_000;
const FIRST_HOLD_MS = 60_000;
const LONGEST_HOLD_MS = 3_600_000;

const later = (now: Date, milliseconds: number): string => new Date(now.getTime() + milliseconds).toISOString();

export const ANEW: WarmPoolState = { failures: 0, lastFailure: null, nextTryAt: null, stopped: false, note: null };

/** After a gateway that did not become warm: the pauses double, and after `most` in a row it is left alone. */
export function afterFailure(state: WarmPoolState, failure: WarmNote, most: number, now: Date): WarmPoolState {
  const failures = (state.failures ?? 0) + 1;
  const stopped = failures >= most && !NOBODYS_FAULT.includes(failure.reason);
  const pause = backoff(failures - 1, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, () => 1);
  const message = stopped
    ? `${failures} gateways in a row did not get ready, so no more are made ahead until the image or a setting of the pool changes. The last one: ${failure.message}`
    : `The last gateway did not get ready: ${failure.message} The next one is made in ${Math.round(pause / 1_000)} s.`;
  return {
    failures,
    lastFailure: { ...failure, at: now.toISOString() },
    nextTryAt: stopped ? null : later(now, pause),
    stopped,
    note: { reason: stopped ? 'too-many-failures' : failure.reason, message },
  };
}

/** After a claim that was not answered: the pool is left alone, longer each time, so that few people wait for nothing. */
export function afterLostClaim(state: WarmPoolState, now: Date): WarmPoolState {
  const claimFailures = (state.claimFailures ?? 0) + 1;
  const hold = backoff(claimFailures - 1, FIRST_HOLD_MS, LONGEST_HOLD_MS, () => 1);
  return { claimFailures, heldUntil: later(now, hold) };
}

export const mayTry = (state: WarmPoolState, now: Date): boolean =>
  !state.stopped && (!state.nextTryAt || new Date(state.nextTryAt) <= now);
