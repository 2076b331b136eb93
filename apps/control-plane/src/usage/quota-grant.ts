import type { QuotaAsk, QuotaRefusal, QuotaScopeState } from '#libs/contracts';

/** Tokens and millionths of a US dollar. */
export interface Pair {
  readonly tokens: bigint;
  readonly micros: bigint;
}
export const UNITS = ['tokens', 'micros'] as const;
export type Unit = (typeof UNITS)[number];

export interface LeaseRow {
  readonly id: string;
  readonly grantedTokens: bigint;
  readonly grantedMicros: bigint;
  readonly returnedTokens: bigint;
  readonly returnedMicros: bigint;
  readonly spentTokens: bigint;
  readonly spentMicros: bigint;
}

/** A limit and where its counter stands. */
export interface LimitState {
  readonly scope: 'member' | 'tenant';
  readonly unit: Unit;
  readonly limit: bigint;
  readonly used: bigint;
  readonly leased: bigint;
}

export type Decision =
  | { readonly granted: Pair; readonly scarce: boolean }
  | { readonly refusal: QuotaRefusal; readonly limitedBy: LimitState };

/** Below this share of the limit, nothing is granted in advance, and brokers give back soon. */
const SCARCE_SHARE = 5n;
/** At most this part of what is left is granted in advance. */
const AHEAD_SHARE = 4n;

const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** What a lease holds of the counters' leased amounts. One that spent more than it was granted holds nothing. */
export const shareOf = (lease: LeaseRow): Pair => ({
  tokens: most(0n, lease.grantedTokens - lease.returnedTokens - lease.spentTokens),
  micros: most(0n, lease.grantedMicros - lease.returnedMicros - lease.spentMicros),
});

/** What the share changes by when the lease changes by these amounts. */
export function shareChange(lease: LeaseRow, change: { granted?: Pair; returned?: Pair; spent?: Pair }): Pair {
  const before = shareOf(lease);
  const after = shareOf({
    ...lease,
    grantedTokens: lease.grantedTokens + (change.granted?.tokens ?? 0n),
    grantedMicros: lease.grantedMicros + (change.granted?.micros ?? 0n),
    returnedTokens: lease.returnedTokens + (change.returned?.tokens ?? 0n),
    returnedMicros: lease.returnedMicros + (change.returned?.micros ?? 0n),
    spentTokens: lease.spentTokens + (change.spent?.tokens ?? 0n),
    spentMicros: lease.spentMicros + (change.spent?.micros ?? 0n),
  });
  return { tokens: after.tokens - before.tokens, micros: after.micros - before.micros };
}

/** What an ask is granted under these limits, on top of what the lease was granted already. */
export function decide(ask: QuotaAsk, lease: LeaseRow, limits: readonly LimitState[]): Decision {
  const granted = { tokens: 0n, micros: 0n };
  let scarce = false;
  for (const unit of UNITS) {
    // An answer that got lost: the broker has this already as soon as it reads ours.
    const lost = most(0n, (unit === 'tokens' ? lease.grantedTokens : lease.grantedMicros) - BigInt(ask.granted[unit]));
    const wanted = (amount: bigint) => most(0n, amount - lost);
    const own = limits.filter((limit) => limit.unit === unit);
    const missing = wanted(BigInt(ask.atLeast[unit]));
    const tight = own.filter((limit) => leftOf(limit) < missing);
    const final = tight.find((limit) => limit.used + missing > limit.limit);
    if (final) return { refusal: 'exhausted', limitedBy: final };
    if (tight[0]) return { refusal: 'reserved', limitedBy: tight[0] };
    const need = wanted(BigInt(ask.need[unit]));
    const part = own.map((limit) => grantedUnder(limit, need, BigInt(ask.ahead[unit])));
    granted[unit] = part.map(({ amount }) => amount).reduce(least, need + BigInt(ask.ahead[unit]));
    scarce ||= part.some((one) => one.scarce);
  }
  return { granted, scarce };
}

const leftOf = ({ limit, used, leased }: LimitState): bigint => most(0n, limit - used - leased);

function grantedUnder(limit: LimitState, need: bigint, ahead: bigint): { amount: bigint; scarce: boolean } {
  const left = leftOf(limit);
  const rest = most(0n, left - need);
  const scarce = rest * SCARCE_SHARE < limit.limit;
  return { amount: least(need, left) + (scarce ? 0n : least(ahead, rest / AHEAD_SHARE)), scarce };
}

export const stateView = ({ scope, unit, limit, used, leased }: LimitState): QuotaScopeState => ({
  scope,
  unit,
  limit: Number(limit),
  used: Number(used),
  leased: Number(leased),
});
