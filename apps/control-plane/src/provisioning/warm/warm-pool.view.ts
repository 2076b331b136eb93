import { etagOf } from '../../http/etag.js';
import type { PoolRow, WarmPool } from './warm-pool.repository.js';
import type { WarmPoolSettings } from './warm-pool.settings.js';
import type { WarmNote } from './warm-pool.state.js';

export interface WarmPoolView extends WarmPoolSettings {
  /** Nobody has decided anything yet: these are the defaults. */
  readonly isDefault: boolean;
  readonly status: {
    /** What the schedule says now, of each kind on each host. */
    readonly size: number;
    readonly ready: number;
    /** Being made, or on their way out. */
    readonly changing: number;
    readonly failures: number;
    readonly condition: WarmNote & { readonly status: boolean };
    readonly nextTryAt: string | null;
    /** Until then nobody is given a warm one: the last ones did not take their claim. */
    readonly claimsHeldUntil: string | null;
    readonly gateways: readonly WarmGatewayView[];
  };
}

export interface WarmGatewayView {
  readonly id: string;
  readonly hostId: string;
  readonly memoryMb: number;
  readonly phase: string;
  readonly createdAt: string;
}

export const warmPoolEtag = ({ settings, version }: WarmPool): string => etagOf(version, JSON.stringify(settings));

const isReady = ({ phase, desiredState }: PoolRow): boolean => phase === 'warm' && desiredState === 'running';

export function toWarmPoolView(
  { settings, version, state, gateways }: WarmPool,
  size: number,
  now: Date,
): WarmPoolView {
  const ready = gateways.filter(isReady).length;
  const held = state.heldUntil && new Date(state.heldUntil) > now ? state.heldUntil : null;
  return {
    ...settings,
    isDefault: version === 0,
    status: {
      size,
      ready,
      changing: gateways.length - ready,
      failures: state.failures ?? 0,
      condition: conditionOf(size, ready, gateways.length - ready, state.note ?? undefined),
      nextTryAt: state.nextTryAt ?? null,
      claimsHeldUntil: held,
      gateways: gateways.map(({ id, hostId, memoryMb, phase, createdAt }) => ({
        id,
        hostId,
        memoryMb,
        phase,
        createdAt: createdAt.toISOString(),
      })),
    },
  };
}

function conditionOf(size: number, ready: number, changing: number, note: WarmNote | undefined) {
  if (note && size > 0) return { status: false, ...note };
  if (size === 0) return { status: true, reason: 'off', message: 'No gateway is made ahead.' };
  if (changing > 0) return { status: true, reason: 'changing', message: 'Gateways are being made or replaced.' };
  const message = ready === 1 ? 'One gateway is ready to be claimed.' : `${ready} gateways are ready to be claimed.`;
  return { status: true, reason: 'ready', message };
}
