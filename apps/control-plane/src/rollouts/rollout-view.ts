import type { Prisma } from '#libs/database';
import type { RolloutPolicy, RolloutScope, TargetStatus } from './rollout-policy.js';

export type RolloutRow = Prisma.RolloutGetPayload<object>;
export type TargetRow = Prisma.RolloutTargetGetPayload<object>;
export type Progress = Readonly<Record<TargetStatus, number>> & { readonly total: number };

export interface RolloutView {
  readonly id: string;
  /** By digest; what was asked for while that is not known yet. */
  readonly image: string;
  readonly requested: string;
  readonly status: string;
  readonly reason: string | null;
  readonly scope: RolloutScope;
  readonly policy: RolloutPolicy;
  readonly progress: Progress;
  readonly canariesPassedAt: string | null;
  readonly actor: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
}

export interface RolloutTargetView {
  readonly gatewayId: string;
  readonly canary: boolean;
  readonly status: string;
  readonly fromImage: string;
  readonly reason: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

const NONE: Progress = {
  total: 0,
  pending: 0,
  running: 0,
  succeeded: 0,
  'rolled-back': 0,
  failed: 0,
  skipped: 0,
  revert: 0,
  reverting: 0,
  reverted: 0,
};

/** `counts`: how many targets have each status. */
export function progressOf(counts: readonly { readonly status: string; readonly count: number }[]): Progress {
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  return { ...NONE, ...Object.fromEntries(counts.map(({ status, count }) => [status, count])), total };
}

export const toRolloutView = (row: RolloutRow, progress: Progress): RolloutView => ({
  id: row.id,
  image: row.image,
  requested: row.requested,
  status: row.status,
  reason: row.reason,
  scope: row.scope as RolloutScope,
  policy: row.policy as unknown as RolloutPolicy,
  progress,
  canariesPassedAt: row.canariesPassedAt?.toISOString() ?? null,
  actor: row.actor,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
  finishedAt: row.finishedAt?.toISOString() ?? null,
});

export const toTargetView = (row: TargetRow): RolloutTargetView => ({
  gatewayId: row.gatewayId,
  canary: row.canary,
  status: row.status,
  fromImage: row.fromImage,
  reason: row.reason,
  startedAt: row.startedAt?.toISOString() ?? null,
  finishedAt: row.finishedAt?.toISOString() ?? null,
});
