import type { RequestLimits, TrustMode } from '#libs/contracts';
import { MODE_LIMITS } from './modes.js';

/** Null means no limit. Days are UTC days. */
export interface TierLimits extends RequestLimits {
  readonly tokensPerDay: number | null;
  readonly costPerDayUsd: number | null;
  /** Agents (workspaces) a member of this tier may have. */
  readonly agents: number | null;
}

export interface TierResources {
  readonly cpus: number;
  readonly memoryMb: number;
  readonly pids: number;
  /** Of one agent's folder, in MiB; null: no limit. */
  readonly diskMb: number | null;
}

/**
 * When a gateway on which nothing happens is put to sleep: frozen in memory after `suspendAfterSeconds`, ended after
 * `stopAfterSeconds` of the same idleness. Null: never. A shared gateway follows the most wakeful of its agents' tiers.
 */
export interface TierIdlePolicy {
  readonly suspendAfterSeconds: number | null;
  readonly stopAfterSeconds: number | null;
}

/** How often an agent's folder is backed up by itself (null: never), and how long such a backup is kept. */
export interface TierBackupPolicy {
  readonly everyHours: number | null;
  readonly keepDays: number;
}

export interface TierPrice {
  /** ISO 4217, upper case. */
  readonly currency: string;
  /** In minor units: cents. */
  readonly amount: number;
  readonly interval: 'month' | 'year' | 'once';
}

/** A tier as data. `rank` orders them; `placement` says whether the agent shares a gateway. */
export interface TierDefinition {
  readonly key: string;
  readonly name: string;
  readonly rank: number;
  readonly trustCeiling: TrustMode;
  /** Of members who accepted an invitation; null: invitations change nothing. */
  readonly invitedTrustCeiling: TrustMode | null;
  readonly placement: 'shared' | 'dedicated';
  readonly runtime: 'wirebot';
  readonly channels: readonly string[];
  readonly limits: TierLimits;
  /** Of the whole gateway: a shared one is sized for all its agents. */
  readonly resources: TierResources;
  readonly modules: readonly string[];
  readonly idlePolicy: TierIdlePolicy;
  readonly backups: TierBackupPolicy;
  readonly prices: readonly TierPrice[];
}

const SHARED: TierResources = { cpus: 2, memoryMb: 1024, pids: 256, diskMb: 512 };
const DEDICATED: TierResources = { cpus: 1, memoryMb: 512, pids: 256, diskMb: 5120 };

const NEVER: TierIdlePolicy = { suspendAfterSeconds: null, stopAfterSeconds: null };
/** A gateway of one's own costs memory all day: half an hour after the last word it is frozen, half a day later ended. */
const WHEN_QUIET: TierIdlePolicy = { suspendAfterSeconds: 1_800, stopAfterSeconds: 43_200 };

type DailyBudget = Pick<TierLimits, 'tokensPerDay' | 'costPerDayUsd' | 'agents'>;

/** What a member of each rank may use of the platform's own model account in a day. */
const BUDGETS = {
  0: { tokensPerDay: 20_000, costPerDayUsd: 0.1, agents: 1 },
  1: { tokensPerDay: 200_000, costPerDayUsd: 1, agents: 1 },
  2: { tokensPerDay: 500_000, costPerDayUsd: 3, agents: 1 },
  3: { tokensPerDay: 2_000_000, costPerDayUsd: 12, agents: 2 },
  4: { tokensPerDay: null, costPerDayUsd: 100, agents: 5 },
} as const satisfies Record<number, DailyBudget>;

interface Row {
  readonly key: string;
  readonly name: string;
  readonly rank: keyof typeof BUDGETS;
  readonly ceiling: TrustMode;
  readonly channels: readonly string[];
  readonly invited?: TrustMode;
}

const tier = ({ key, name, rank, ceiling, channels, invited }: Row): TierDefinition => {
  const placement = ceiling === 3 ? 'dedicated' : 'shared';
  return {
    key,
    name,
    rank,
    trustCeiling: ceiling,
    invitedTrustCeiling: invited ?? null,
    placement,
    runtime: 'wirebot',
    channels,
    limits: { ...MODE_LIMITS[ceiling], ...BUDGETS[rank] },
    resources: placement === 'shared' ? SHARED : DEDICATED,
    modules: [],
    idlePolicy: placement === 'shared' ? NEVER : WHEN_QUIET,
    backups: { everyHours: ceiling === 0 ? null : 24, keepDays: placement === 'shared' ? 7 : 30 },
    prices: [],
  };
};

const ALL_CHANNELS = ['web', 'discord', 'telegram', 'slack', 'sms', 'voice', 'whatsapp'] as const;
const NETWORK_CHANNELS = ['web', 'discord', 'telegram', 'slack'] as const;

/** The two ready-made tier sets (product.md, "Default tiers"). A tenant copies one and edits it. */
export const TIER_TEMPLATES: Record<
  'network' | 'standalone',
  { readonly name: string; readonly tiers: readonly TierDefinition[] }
> = {
  network: {
    name: 'Network',
    tiers: [
      tier({ key: 'free', name: 'Free', rank: 0, ceiling: 0, channels: ['web'] }),
      tier({ key: 'freewire', name: 'FreeWire', rank: 1, ceiling: 1, channels: ['web'] }),
      tier({ key: 'wire', name: 'Wire', rank: 2, ceiling: 1, channels: NETWORK_CHANNELS, invited: 2 }),
      tier({
        key: 'extrawire',
        name: 'ExtraWire',
        rank: 3,
        ceiling: 2,
        channels: [...NETWORK_CHANNELS, 'sms', 'voice'],
      }),
      tier({ key: 'sovereign', name: 'Sovereign', rank: 4, ceiling: 3, channels: ALL_CHANNELS }),
    ],
  },
  standalone: {
    name: 'Standalone',
    tiers: [
      tier({ key: 'free', name: 'Free', rank: 0, ceiling: 0, channels: ['web'] }),
      tier({ key: 'basic', name: 'Basic', rank: 1, ceiling: 1, channels: ['web'] }),
      tier({ key: 'standard', name: 'Standard', rank: 2, ceiling: 1, channels: ['web', 'discord', 'telegram'] }),
      tier({
        key: 'premium',
        name: 'Premium',
        rank: 3,
        ceiling: 2,
        channels: ['web', 'discord', 'telegram', 'sms', 'voice', 'slack'],
      }),
      tier({ key: 'power', name: 'Power', rank: 4, ceiling: 3, channels: ALL_CHANNELS }),
    ],
  },
};
