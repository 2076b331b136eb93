import type { PoolRow, WarmPool } from './warm-pool.repository.js';
import { afterFailure, ANEW, type WarmNote, type WarmPoolState } from './warm-pool.state.js';

/** So many tries, with the reconciler's pauses in between, and it is taken for broken. */
const BROKEN_AFTER = 3;
/** Phases of one that is being made. */
const MAKING: readonly string[] = ['pending', 'creating', 'starting', 'failed'];

/** How the last fills went. */
export interface WarmVerdict {
  readonly state: WarmPoolState;
  /** Did not get ready: to be removed. */
  readonly broken: readonly string[];
}

/** `startLimitMs`: one that is not ready so long after it was reserved never will be. */
export function verdictOf(pool: WarmPool, startLimitMs: number, now: Date): WarmVerdict {
  const subject = `${pool.image}#${pool.version}`;
  const before = pool.state.subject === subject ? pool.state : { ...pool.state, ...ANEW, subject };
  const isBroken = ({ phase, failures, createdAt, desiredState }: PoolRow): boolean =>
    desiredState === 'running' &&
    MAKING.includes(phase) &&
    (phase === 'failed' || failures >= BROKEN_AFTER || now.getTime() - createdAt.getTime() > startLimitMs);
  const broken = pool.gateways.filter(isBroken);
  const state = broken.reduce(
    (so, gateway) => ({ ...so, ...afterFailure(so, failureOf(gateway), pool.settings.maxFailures, now) }),
    before,
  );
  const recovered = broken.length === 0 && (state.failures ?? 0) > 0 && hasRecovered(pool.gateways, state);
  return { state: recovered ? { ...state, ...ANEW } : state, broken: broken.map(({ id }) => id) };
}

const failureOf = ({ ready, phase }: PoolRow): WarmNote =>
  ready && !ready.status
    ? { reason: ready.reason, message: ready.message }
    : { reason: 'warm-start-timeout', message: `It was still ${phase} long after it should have been ready.` };

/** One that was made after the last failure is ready. */
const hasRecovered = (gateways: readonly PoolRow[], { lastFailure }: WarmPoolState): boolean =>
  gateways.some(({ phase, createdAt }) => phase === 'warm' && createdAt > new Date(lastFailure?.at ?? 0));
