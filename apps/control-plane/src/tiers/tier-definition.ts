import type { Prisma } from '#libs/database';
import type { FieldError } from '#libs/kernel';
import { MODE_LIMITS, type TierDefinition, type TierLimits, type TrustMode } from '#libs/trust';
import { TierRuleBroken } from './tiers.errors.js';

export type TierRow = Prisma.TierGetPayload<object>;

/** Everything of a tier but its key, which never changes. */
export type TierContent = Omit<TierDefinition, 'key'>;

const NO_BUDGET = { tokensPerDay: null, costPerDayUsd: null, agents: null };

/** As stored; what a tier of before does not say yet is what its mode says, or no limit. */
export const limitsOf = (row: Pick<TierRow, 'trustCeiling' | 'limits'>): TierLimits => ({
  ...MODE_LIMITS[row.trustCeiling as TrustMode],
  ...NO_BUDGET,
  ...(row.limits as Partial<TierLimits>),
});

export const contentOf = (row: TierRow): TierContent => ({
  name: row.name,
  rank: row.rank,
  trustCeiling: row.trustCeiling as TrustMode,
  invitedTrustCeiling: row.invitedTrustCeiling as TrustMode | null,
  placement: row.placement as TierContent['placement'],
  runtime: row.runtime as TierContent['runtime'],
  channels: row.channels,
  limits: limitsOf(row),
  resources: { diskMb: null, ...(row.resources as unknown as Omit<TierContent['resources'], 'diskMb'>) },
  modules: row.modules,
  idlePolicy: { suspendAfterSeconds: null, stopAfterSeconds: null, ...(row.idlePolicy as object) },
  backups: { everyHours: null, keepDays: 7, ...(row.backups as object) },
  prices: row.prices as unknown as TierContent['prices'],
});

/** The columns of a tier. */
export function columnsOf(content: TierContent) {
  const { channels, limits, resources, modules, idlePolicy, backups, prices, ...plain } = content;
  return {
    ...plain,
    channels: [...channels],
    limits: { ...limits },
    resources: { ...resources },
    modules: [...modules],
    idlePolicy: { ...idlePolicy },
    backups: { ...backups },
    prices: prices.map((price) => ({ ...price })),
  };
}

/** Rules between fields; what a field alone may be its DTO says. Throws TierRuleBroken with every one that is broken. */
export function assertPossible(content: TierContent): void {
  const { trustCeiling, invitedTrustCeiling: invited, placement } = content;
  const errors: FieldError[] = [];
  if (placement === 'shared' && trustCeiling === 3)
    errors.push({ field: 'trustCeiling', message: 'is 3 only with a dedicated placement' });
  if (placement === 'shared' && invited === 3)
    errors.push({ field: 'invitedTrustCeiling', message: 'is 3 only with a dedicated placement' });
  if (invited !== null && invited < trustCeiling)
    errors.push({ field: 'invitedTrustCeiling', message: 'must not be below trustCeiling' });
  if (errors.length > 0) throw new TierRuleBroken(errors);
}

/** Names of what differs. */
export const differences = (before: TierContent, after: TierContent): (keyof TierContent)[] =>
  (Object.keys(after) as (keyof TierContent)[]).filter((key) => canonical(before[key]) !== canonical(after[key]));

/** Objects with the same entries are the same, in whatever order PostgreSQL gives them back. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
