import { Injectable } from '@nestjs/common';
import { type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { ResourcesRepository } from '../provisioning/resources.repository.js';
import { type PlannedTarget, planRollout } from './rollout-plan.js';
import { RolloutTargets, type TargetNow, type UnderWay } from './rollout-targets.js';
import type { RolloutPolicy } from './rollout-policy.js';
import type { RolloutRow } from './rollout-view.js';
import { RolloutsRepository } from './rollouts.repository.js';

/** Nobody's decision but the rollout's own. */
const ACTOR = 'system:rollouts';

/** One round of one rollout, in one transaction of the leader's. Returns the gateways that have something to do. */
@Injectable()
export class RolloutRound {
  constructor(
    private readonly rollouts: RolloutsRepository,
    private readonly targets: RolloutTargets,
    private readonly resources: ResourcesRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async run(tx: Tx, row: RolloutRow, underWay: readonly UnderWay[]): Promise<string[]> {
    if (row.status === 'running' || row.status === 'paused') await this.rollouts.addTargets(tx, row);
    const now = await this.targets.observe(tx, row);
    if (row.status === 'running') return this.#advance(tx, row, now, underWay);
    return row.status === 'aborting' ? this.#abort(tx, row, now, underWay) : [];
  }

  async #advance(tx: Tx, row: RolloutRow, now: readonly TargetNow[], underWay: readonly UnderWay[]): Promise<string[]> {
    const plan = planRollout({
      policy: row.policy as unknown as RolloutPolicy,
      targets: now.filter(({ status }) => status !== 'skipped'),
      underWay,
      forgiven: row.forgiven,
      canariesPassed: row.canariesPassedAt !== null,
      now: this.clock.now(),
    });
    switch (plan.kind) {
      case 'start':
        return this.#start(tx, row, now, plan.gatewayIds);
      case 'pause':
        await this.#pause(tx, row, now, plan.reason);
        return [];
      case 'canaries-passed':
        await this.rollouts.change(tx, row, { canariesPassedAt: this.clock.now() });
        return [];
      case 'done':
        await this.#finish(tx, row, now);
        return [];
      case 'wait':
        return [];
    }
  }

  async #start(tx: Tx, row: RolloutRow, now: readonly TargetNow[], ids: readonly string[]): Promise<string[]> {
    for (const target of now.filter(({ gatewayId }) => ids.includes(gatewayId)))
      await this.#send(tx, row, target, row.image, 'running');
    await this.rollouts.tell(tx, row);
    return [...ids];
  }

  /** The gateway does the rest by itself. One that is frozen comes to itself first. */
  async #send(
    tx: Tx,
    row: RolloutRow,
    target: TargetNow,
    image: string,
    status: 'running' | 'reverting',
  ): Promise<void> {
    const { gatewayId: id } = target;
    const at = this.clock.now();
    await tx.gateway.update({ where: { id }, data: { targetImage: image, rolloutId: row.id, dueAt: at } });
    if (target.phase === 'paused') await this.resources.wantAwake(tx, { id });
    const where = { rolloutId_gatewayId: { rolloutId: row.id, gatewayId: id } };
    await tx.rolloutTarget.update({ where, data: { status, startedAt: at, finishedAt: null, reason: null } });
  }

  async #pause(tx: Tx, row: RolloutRow, now: readonly TargetNow[], why: string): Promise<void> {
    const failed = now.filter(({ status }) => status === 'failed' || status === 'rolled-back').at(-1);
    const reason = `${why} The last one, ${failed?.gatewayId}: ${failed?.reason} Resume or abort it.`;
    await this.rollouts.change(tx, row, { status: 'paused', reason });
    await this.#note(tx, row, 'rollout.pause', { reason: why });
  }

  async #finish(tx: Tx, row: RolloutRow, now: readonly TargetNow[]): Promise<void> {
    const behind = now.filter(({ status }) => status === 'failed' || status === 'rolled-back').length;
    const all = behind > 0 && behind === now.length;
    const reason = behind > 0 ? `${behind} of ${now.length} gateways stayed with their image; each says why.` : null;
    const status = all ? 'failed' : 'succeeded';
    await this.rollouts.change(tx, row, { status, reason, finishedAt: this.clock.now() });
    await this.#note(tx, row, 'rollout.finish', { status });
  }

  /** Nothing more begins; what has not gone far goes back at once; what was upgraded goes back if that is wished. */
  async #abort(tx: Tx, row: RolloutRow, now: readonly TargetNow[], underWay: readonly UnderWay[]): Promise<string[]> {
    const called = await this.targets.callOff(tx, row);
    const waiting = now.filter((target) => target.status === 'revert');
    const ids = this.targets.room(row, waiting as readonly PlannedTarget[], underWay);
    for (const target of waiting.filter(({ gatewayId }) => ids.includes(gatewayId)))
      await this.#send(tx, row, target, target.fromImage, 'reverting');
    const left = await tx.rolloutTarget.count({
      where: { rolloutId: row.id, status: { in: ['running', 'revert', 'reverting'] } },
    });
    if (left === 0) {
      await this.rollouts.change(tx, row, { status: 'aborted', finishedAt: this.clock.now() });
      await this.#note(tx, row, 'rollout.finish', { status: 'aborted' });
    }
    return [...called, ...ids];
  }

  async #note(tx: Tx, row: RolloutRow, action: string, data: { reason: string } | { status: string }): Promise<void> {
    const line = { action, resource: 'rollout', resourceId: row.id, data };
    await this.audit.record(tx, { ...line, tenantId: null, actor: ACTOR });
  }
}
