import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { UPGRADING } from '../provisioning/phases.js';
import { choose, type Place, type PlannedTarget } from './rollout-plan.js';
import type { RolloutPolicy } from './rollout-policy.js';
import type { RolloutRow } from './rollout-view.js';

export type UnderWay = Place;
export type TargetNow = PlannedTarget & {
  readonly phase: string;
  readonly fromImage: string;
  readonly reason: string | null;
};

interface Row extends Omit<TargetNow, 'free'> {
  readonly failures: number;
  readonly targetImage: string | null;
  readonly startedAt: Date | null;
  readonly desiredState: string;
  readonly quarantined: boolean;
}

/** Phases in which an upgrade can begin, or which lead there at once. */
const FREE: readonly string[] = ['ready', 'paused', 'suspended', 'failed'];
const GONE: readonly string[] = ['deleting', 'deleted', 'lost'];
/** An upgraded gateway that ended this often since is not well. */
const ENDS = 2;
/** A gateway that has not begun by then never will by itself, in milliseconds. */
const BEGIN_WITHIN = 30 * 60_000;

/** Targets as their gateways are now. */
@Injectable()
export class RolloutTargets {
  constructor(private readonly clock: Clock) {}

  /** What nobody can upgrade any more is skipped; what was upgraded and is not well has failed after all. */
  async observe(tx: Tx, row: RolloutRow): Promise<TargetNow[]> {
    const rows = await this.#read(tx, row);
    const seen: TargetNow[] = [];
    for (const target of rows) seen.push(await this.#judge(tx, row, target));
    return seen;
  }

  /** Every gateway that is being upgraded, whoever wished it. */
  async underWay(tx: Tx): Promise<UnderWay[]> {
    return tx.gateway.findMany({
      where: {
        pool: null,
        OR: [{ phase: { in: [...UPGRADING] } }, { targetImage: { not: null }, phase: { notIn: [...GONE] } }],
      },
      select: { hostId: true, tenantId: true },
    });
  }

  /** Which of the waiting fit in beside those under way. */
  room(row: RolloutRow, waiting: readonly PlannedTarget[], underWay: readonly UnderWay[]): string[] {
    return choose({ policy: row.policy as unknown as RolloutPolicy, underWay }, waiting, waiting.length);
  }

  /** Those that wait, and those whose process has not been touched yet. Returns gateways that have to hear of it. */
  async callOff(tx: Tx, row: RolloutRow): Promise<string[]> {
    const touched = ['replacing', 'verifying', 'rolling-back'];
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE gateways g SET target_image = NULL, due_at = now() FROM rollout_targets t
      WHERE t.rollout_id = ${row.id} AND t.gateway_id = g.id AND t.status = 'running' AND g.rollout_id = ${row.id}
        AND g.target_image IS NOT NULL AND NOT g.phase = ANY(${touched}::text[])
      RETURNING g.id`;
    const ids = rows.map(({ id }) => id);
    await tx.rolloutTarget.updateMany({
      where: { rolloutId: row.id, OR: [{ status: 'pending' }, { status: 'running', gatewayId: { in: ids } }] },
      data: { status: 'skipped', reason: 'aborted', finishedAt: this.clock.now() },
    });
    return ids;
  }

  async #read(tx: Tx, row: RolloutRow): Promise<Row[]> {
    return tx.$queryRaw<Row[]>`
      SELECT t.gateway_id AS "gatewayId", t.canary, t.status, t.from_image AS "fromImage", t.reason,
        t.started_at AS "startedAt", t.finished_at AS "finishedAt", coalesce(g.host_id, '') AS "hostId",
        g.tenant_id AS "tenantId", coalesce(g.phase, 'deleted') AS phase, coalesce(g.failures, 0) AS failures,
        g.target_image AS "targetImage", coalesce(g.desired_state, 'deleted') AS "desiredState",
        g.quarantined_at IS NOT NULL AS quarantined
      FROM rollout_targets t LEFT JOIN gateways g ON g.id = t.gateway_id
      WHERE t.rollout_id = ${row.id} ORDER BY t.gateway_id`;
  }

  async #judge(tx: Tx, row: RolloutRow, target: Row): Promise<TargetNow> {
    const verdict = this.#verdict(target);
    const free = FREE.includes(target.phase) && target.targetImage === null;
    if (!verdict) return { ...target, free };
    const { status, reason } = verdict;
    const { gatewayId } = target;
    const finishedAt = this.clock.now();
    await tx.rolloutTarget.update({
      where: { rolloutId_gatewayId: { rolloutId: row.id, gatewayId } },
      data: { status, reason, finishedAt },
    });
    const mine = { id: gatewayId, rolloutId: row.id, phase: { notIn: [...UPGRADING] } };
    await tx.gateway.updateMany({ where: mine, data: { targetImage: null } });
    return { ...target, free, status, reason, finishedAt };
  }

  #verdict(target: Row): { status: 'skipped' | 'failed'; reason: string } | undefined {
    const { status, phase, failures, desiredState, quarantined, startedAt } = target;
    const waits = status === 'pending' || status === 'revert';
    const open = waits || status === 'running' || status === 'reverting';
    if (open && (desiredState === 'deleted' || GONE.includes(phase)))
      return { status: 'skipped', reason: 'gateway-gone' };
    if (waits && quarantined) return { status: 'skipped', reason: 'gateway-quarantined' };
    if (status === 'succeeded' && (phase === 'failed' || failures >= ENDS))
      return { status: 'failed', reason: 'unhealthy-after-upgrade: It was upgraded and does not stay up.' };
    const age = startedAt ? this.clock.now().getTime() - startedAt.getTime() : 0;
    if (open && !waits && age > BEGIN_WITHIN && !UPGRADING.includes(phase))
      return { status: 'failed', reason: `upgrade-not-begun: It has been ${phase} for half an hour.` };
    return undefined;
  }
}
