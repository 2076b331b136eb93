import type { Prisma } from '#libs/database';
import type { Failure } from '../provisioning.errors.js';
import type { GatewayRecord } from '../resources.repository.js';

/**
 * How far an upgrade is that has begun to change a gateway (`gateways.rollback`), so that every step can be repeated:
 *
 * - `open`: routes are held; the old process ends, its state is kept, the new one is started and looked at
 * - `proved`: the new one is well; from here on it is given its real configuration
 * - `undoing`: it is not; the old image and the kept state come back
 * - `undone`: they are back, and the old process has to answer again
 * - `kept`: done; the copy of the state before is kept for a while
 */
export interface UpgradeRecord {
  readonly state: 'open' | 'proved' | 'undoing' | 'undone' | 'kept';
  /** The image before. */
  readonly image: string;
  /** The one that it is brought to. */
  readonly to: string;
  /** Name of the copy of the state before. */
  readonly snapshot: string;
  /** Since when nobody reaches its agents; null: it slept anyway. */
  readonly heldAt: string | null;
  /** Agents that the old image could not open either: the new one is not to blame for them. */
  readonly faulty?: readonly string[];
  /** The process of the new image that is being looked at, and since when it has answered. */
  readonly watched?: { readonly startedAt: string; readonly since: string };
  readonly fault?: Pick<Failure, 'code' | 'message'>;
  /** When the copy is deleted. */
  readonly keptUntil?: string;
}

export function recordOf(gateway: Pick<GatewayRecord, 'rollback'>): UpgradeRecord | undefined {
  return (gateway.rollback as unknown as UpgradeRecord | null) ?? undefined;
}

export const asJson = (record: UpgradeRecord): Prisma.InputJsonObject => record as unknown as Prisma.InputJsonObject;

/** Begun and neither done nor taken back. */
export function isUnfinished(gateway: Pick<GatewayRecord, 'rollback'>): boolean {
  const record = recordOf(gateway);
  return record !== undefined && record.state !== 'kept';
}

/** One name for each upgrade of a gateway, so that deleting an old copy never deletes a newer one. */
export const snapshotName = (gateway: Pick<GatewayRecord, 'generation'>): string => `upgrade-${gateway.generation}`;

/** Of an image in a sentence: digests are too long to be read. */
export const shortImage = (image: string): string =>
  image.startsWith('sha256:') ? image.slice(0, 19) : image.length > 60 ? `…${image.slice(-59)}` : image;
