import { dailyLimits } from '../routing/daily-limits.js';
import type { LimitState, Unit } from './quota-grant.js';
import type { CounterRow } from './quota.repository.js';

/** The limits that apply to a counter, with where it stands; none for a scope without limits. */
export function limitStates(counter: CounterRow, storedLimits: unknown): LimitState[] {
  const { tokensPerDay, costPerDayMicros } = dailyLimits(storedLimits);
  const state = (unit: Unit, limit: number | null, used: bigint, leased: bigint): LimitState[] =>
    limit === null ? [] : [{ scope: counter.scope, unit, limit: BigInt(limit), used, leased }];
  return [
    ...state('tokens', tokensPerDay, counter.usedTokens, counter.leasedTokens),
    ...state('micros', costPerDayMicros, counter.usedMicros, counter.leasedMicros),
  ];
}
