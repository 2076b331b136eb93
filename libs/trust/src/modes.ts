/** 0 demo, 1 standard, 2 advanced, 3 sovereign. Always a ceiling, never a floor. */
export type TrustMode = 0 | 1 | 2 | 3;
export const TRUST_MODES = [0, 1, 2, 3] as const;

/** The effective mode: the least of everything that has a say. Nothing raises it; an unknown value counts as 0. */
export function effectiveMode(...ceilings: readonly number[]): TrustMode {
  let mode = ceilings.length === 0 ? 0 : 3;
  for (const ceiling of ceilings) mode = Math.min(mode, Number.isInteger(ceiling) ? Math.max(0, ceiling) : 0);
  return mode as TrustMode;
}

/** Where a member's request can come from. */
export const SURFACES = [
  'web',
  'extension',
  'sms',
  'voice',
  'slack',
  'discord',
  'telegram',
  'whatsapp',
  'mobile',
  'api',
  'cli',
  'admin',
] as const;
export type Surface = (typeof SURFACES)[number];

/** Messages an hour and open sessions by mode (product.md, "Trust modes"); null means no limit. */
export const MODE_LIMITS: Record<
  TrustMode,
  { readonly messagesPerHour: number | null; readonly sessions: number | null }
> = {
  0: { messagesPerHour: 5, sessions: 1 },
  1: { messagesPerHour: 50, sessions: 3 },
  2: { messagesPerHour: 200, sessions: 10 },
  3: { messagesPerHour: null, sessions: null },
};
