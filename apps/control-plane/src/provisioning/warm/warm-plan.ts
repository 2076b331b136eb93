import type { WarmKind } from './warm-pool.settings.js';

/** A gateway of the pool that nobody has given up yet. */
export interface PoolGateway {
  readonly id: string;
  readonly hostId: string;
  readonly image: string;
  readonly memoryMb: number;
  readonly phase: string;
  readonly createdAt: Date;
}

export interface WarmWish {
  /** Of each kind on each host. */
  readonly size: number;
  readonly maxPerHost: number;
  readonly image: string;
  /** In order of importance; one for each memory size. */
  readonly kinds: readonly WarmKind[];
  /** Those that take new gateways. */
  readonly hostIds: readonly string[];
  /** Made earlier: too old. */
  readonly notBefore: Date;
}

export type Surplus = 'image-changed' | 'host-leaves' | 'too-old' | 'too-many';

export interface WarmPlace {
  readonly hostId: string;
  readonly kind: WarmKind;
}

export interface WarmPlan {
  readonly remove: readonly { readonly id: string; readonly reason: Surplus }[];
  /** What is to be made, the most important first. */
  readonly missing: readonly WarmPlace[];
}

const place = (hostId: string, memoryMb: number): string => `${hostId}/${memoryMb}`;

/** Kinds that differ in nothing a running gateway could not be given are one. */
export const distinctKinds = (kinds: readonly WarmKind[]): WarmKind[] =>
  kinds.filter(({ memoryMb }, index) => kinds.findIndex((kind) => kind.memoryMb === memoryMb) === index);

/** One of each kind on every host before a second of any. */
function* placesOf(wish: WarmWish): Generator<WarmPlace> {
  const left = new Map(wish.hostIds.map((hostId) => [hostId, wish.maxPerHost]));
  for (let turn = 0; turn < wish.size; turn += 1) {
    for (const kind of wish.kinds) {
      for (const hostId of wish.hostIds) {
        const room = left.get(hostId)!;
        if (room === 0) continue;
        left.set(hostId, room - 1);
        yield { hostId, kind };
      }
    }
  }
}

/** What has to go and what has to come for the pool to be as wished. */
export function planPool(wish: WarmWish, pool: readonly PoolGateway[]): WarmPlan {
  const reasonOf = (gateway: PoolGateway): Surplus | undefined => {
    if (gateway.image !== wish.image) return 'image-changed';
    if (!wish.hostIds.includes(gateway.hostId)) return 'host-leaves';
    return gateway.createdAt < wish.notBefore ? 'too-old' : undefined;
  };
  const remove = pool.flatMap((gateway) => {
    const reason = reasonOf(gateway);
    return reason ? [{ id: gateway.id, reason }] : [];
  });
  const usable = new Map<string, PoolGateway[]>();
  for (const gateway of pool.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())) {
    if (reasonOf(gateway)) continue;
    const key = place(gateway.hostId, gateway.memoryMb);
    usable.set(key, [...(usable.get(key) ?? []), gateway]);
  }
  const missing = [];
  for (const wanted of placesOf(wish)) {
    // The newest stay: they live longest.
    if (!usable.get(place(wanted.hostId, wanted.kind.memoryMb))?.shift()) missing.push(wanted);
  }
  const surplus = [...usable.values()].flat().map(({ id }) => ({ id, reason: 'too-many' as const }));
  return { remove: [...remove, ...surplus], missing };
}

/**
 * What of it can be made now: one gateway at a time, and none on a host where one still goes, because it holds a port and
 * memory. What happens on hosts that take nothing holds nobody up: it may last as long as they are away.
 */
export function placesNow(
  missing: readonly WarmPlace[],
  pool: readonly (Pick<PoolGateway, 'hostId' | 'phase'> & { readonly desiredState: string })[],
  hostIds: readonly string[],
): readonly WarmPlace[] {
  const changing = pool.filter(
    ({ hostId, phase, desiredState }) =>
      hostIds.includes(hostId) && phase !== 'lost' && (phase !== 'warm' || desiredState !== 'running'),
  );
  if (changing.some(({ desiredState }) => desiredState === 'running')) return [];
  const leaving = new Set(changing.map(({ hostId }) => hostId));
  return missing.filter(({ hostId }) => !leaving.has(hostId));
}
