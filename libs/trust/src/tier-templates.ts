import { MODE_LIMITS, type TrustMode } from './modes.js';

export interface TierLimits {
  readonly messagesPerHour: number | null;
  readonly sessions: number | null;
}

export interface TierResources {
  readonly cpus: number;
  readonly memoryMb: number;
  readonly pids: number;
}

/** A tier as data. `rank` orders them; `placement` says whether the agent shares a gateway. */
export interface TierDefinition {
  readonly key: string;
  readonly name: string;
  readonly rank: number;
  readonly trustCeiling: TrustMode;
  readonly placement: 'shared' | 'dedicated';
  readonly runtime: 'wirebot';
  readonly channels: readonly string[];
  readonly limits: TierLimits;
  /** Of the whole gateway: a shared one is sized for all its agents. */
  readonly resources: TierResources;
}

const SHARED: TierResources = { cpus: 2, memoryMb: 1024, pids: 256 };
const DEDICATED: TierResources = { cpus: 1, memoryMb: 512, pids: 256 };

const tier = (
  key: string,
  name: string,
  rank: number,
  trustCeiling: TrustMode,
  channels: readonly string[],
  placement: 'shared' | 'dedicated' = 'shared',
): TierDefinition => ({
  key,
  name,
  rank,
  trustCeiling,
  placement,
  runtime: 'wirebot',
  channels,
  limits: MODE_LIMITS[trustCeiling],
  resources: placement === 'shared' ? SHARED : DEDICATED,
});

const ALL_CHANNELS = ['web', 'discord', 'telegram', 'slack', 'sms', 'voice', 'whatsapp'] as const;

/** The two ready-made tier sets (product.md, "Default tiers"). A tenant copies one and edits it. */
export const TIER_TEMPLATES: Record<
  'network' | 'standalone',
  { readonly name: string; readonly tiers: readonly TierDefinition[] }
> = {
  network: {
    name: 'Network',
    tiers: [
      tier('free', 'Free', 0, 0, ['web']),
      tier('freewire', 'FreeWire', 1, 1, ['web']),
      tier('wire', 'Wire', 2, 1, ['web', 'discord', 'telegram', 'slack']),
      tier('extrawire', 'ExtraWire', 3, 2, ['web', 'discord', 'telegram', 'slack', 'sms', 'voice']),
      tier('sovereign', 'Sovereign', 4, 3, ALL_CHANNELS, 'dedicated'),
    ],
  },
  standalone: {
    name: 'Standalone',
    tiers: [
      tier('free', 'Free', 0, 0, ['web']),
      tier('basic', 'Basic', 1, 1, ['web']),
      tier('standard', 'Standard', 2, 1, ['web', 'discord', 'telegram']),
      tier('premium', 'Premium', 3, 2, ['web', 'discord', 'telegram', 'sms', 'voice', 'slack']),
      tier('power', 'Power', 4, 3, ALL_CHANNELS, 'dedicated'),
    ],
  },
};
