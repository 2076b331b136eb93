/** What the broker must know of a tier's or tenant's limits. */
export interface DailyLimits {
  readonly tokensPerDay: number | null;
  readonly costPerDayMicros: number | null;
}

/** Reads the stored limits (`{tokensPerDay, costPerDayUsd}`); what is missing is no limit. */
export function dailyLimits(stored: unknown): DailyLimits {
  const limits = (stored ?? {}) as { readonly tokensPerDay?: number | null; readonly costPerDayUsd?: number | null };
  const cost = limits.costPerDayUsd ?? null;
  return {
    tokensPerDay: limits.tokensPerDay ?? null,
    costPerDayMicros: cost === null ? null : Math.round(cost * 1_000_000),
  };
}
