import type { RequestLimits, TrustMode } from '#libs/contracts';

/** 0 demo, 1 standard, 2 advanced, 3 sovereign. Always a ceiling, never a floor. */
export const TRUST_MODES = [0, 1, 2, 3] as const;

/** The effective mode: the least of everything that has a say. Nothing raises it; an unknown value counts as 0. */
export function effectiveMode(...ceilings: readonly number[]): TrustMode {
  let mode = ceilings.length === 0 ? 0 : 3;
  for (const ceiling of ceilings) mode = Math.min(mode, Number.isInteger(ceiling) ? Math.max(0, ceiling) : 0);
  return mode as TrustMode;
}

/** Limits of each mode (product.md, "Trust modes"); null means no limit. */
export const MODE_LIMITS: Record<TrustMode, RequestLimits> = {
  0: { messagesPerHour: 5, apiCallsPerDay: 0, smsPerDay: 0, sessions: 1 },
  1: { messagesPerHour: 50, apiCallsPerDay: 100, smsPerDay: 10, sessions: 3 },
  2: { messagesPerHour: 200, apiCallsPerDay: 500, smsPerDay: 50, sessions: 10 },
  3: { messagesPerHour: null, apiCallsPerDay: null, smsPerDay: null, sessions: null },
};

const LIMIT_NAMES = ['messagesPerHour', 'apiCallsPerDay', 'smsPerDay', 'sessions'] as const;

function combine(
  a: RequestLimits,
  b: RequestLimits,
  pick: (x: number | null, y: number | null) => number | null,
): RequestLimits {
  return Object.fromEntries(LIMIT_NAMES.map((name) => [name, pick(a[name], b[name])])) as unknown as RequestLimits;
}

/** The stricter of two sets of limits, one by one. */
export const stricterLimits = (a: RequestLimits, b: RequestLimits): RequestLimits =>
  combine(a, b, (x, y) => (x === null ? y : y === null ? x : Math.min(x, y)));

/** The laxer of two sets of limits, one by one. */
export const laxerLimits = (a: RequestLimits, b: RequestLimits): RequestLimits =>
  combine(a, b, (x, y) => (x === null || y === null ? null : Math.max(x, y)));
