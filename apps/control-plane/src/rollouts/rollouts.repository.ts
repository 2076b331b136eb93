import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import { canaryCount } from './rollout-plan.js';
import { ACTIVE, type RolloutPolicy, type RolloutScope, type RolloutStatus } from './rollout-policy.js';
import { type Progress, progressOf, type RolloutRow, type TargetRow } from './rollout-view.js';

/** Events about the platform, not about one tenant, carry this instead of a tenant's id. */
const PLATFORM = 'platform';

export interface NewRollout {
  readonly image: string;
  readonly requested?: string;
  readonly policy: RolloutPolicy;
  readonly scope: RolloutScope;
  readonly actor: string;
  readonly status: RolloutStatus;
  readonly reason?: string;
}

/** Rollouts and their targets: the platform's own, so every call is in a system transaction. */
@Injectable()
export class RolloutsRepository {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
  ) {}

  /** One decision about rollouts at a time. */
  async lock(tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('rollouts', 0))`;
  }

  async create(
    tx: Tx,
    { image, requested = image, policy, scope, actor, status, reason }: NewRollout,
  ): Promise<RolloutRow> {
    const ended = ACTIVE.includes(status) ? null : this.clock.now();
    const row = await tx.rollout.create({
      data: {
        id: this.ids.next('rollout'),
        image,
        requested,
        policy: policy as unknown as Prisma.InputJsonObject,
        scope: scope as Prisma.InputJsonObject,
        actor,
        status,
        reason: reason ?? null,
        finishedAt: ended,
        createdAt: this.clock.now(),
      },
    });
    await this.tell(tx, row);
    return row;
  }

  async find(tx: Tx, id: string): Promise<RolloutRow | undefined> {
    return (await tx.rollout.findUnique({ where: { id } })) ?? undefined;
  }

  list(tx: Tx, before: string | undefined, limit: number): Promise<RolloutRow[]> {
    const where = before ? { id: { lt: before } } : {};
    return tx.rollout.findMany({ where, orderBy: { id: 'desc' }, take: limit });
  }

  active(tx: Tx): Promise<RolloutRow[]> {
    return tx.rollout.findMany({ where: { status: { in: [...ACTIVE] } }, orderBy: { id: 'asc' } });
  }

  async change(tx: Tx, row: RolloutRow, data: Prisma.RolloutUncheckedUpdateInput): Promise<RolloutRow> {
    const after = await tx.rollout.update({ where: { id: row.id }, data });
    if (after.status !== row.status || after.reason !== row.reason) await this.tell(tx, after);
    return after;
  }

  async progress(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, Progress>> {
    const rows = await tx.rolloutTarget.groupBy({
      by: ['rolloutId', 'status'],
      where: { rolloutId: { in: [...ids] } },
      _count: true,
    });
    const of = (id: string) => rows.filter(({ rolloutId }) => rolloutId === id);
    return new Map(ids.map((id) => [id, progressOf(of(id).map(({ status, _count: count }) => ({ status, count })))]));
  }

  targets(tx: Tx, rolloutId: string, after: string | undefined, limit: number): Promise<TargetRow[]> {
    const where = { rolloutId, ...(after ? { gatewayId: { gt: after } } : {}) };
    return tx.rolloutTarget.findMany({ where, orderBy: { gatewayId: 'asc' }, take: limit });
  }

  /** Gateways in its scope that have another image and no place in it yet get one; the first ones are the canaries. */
  async addTargets(tx: Tx, row: RolloutRow): Promise<void> {
    const known = await tx.rolloutTarget.findMany({ where: { rolloutId: row.id }, select: { gatewayId: true } });
    const missing = await tx.gateway.findMany({
      where: {
        ...this.inScope(row.scope as RolloutScope),
        // Also what has it now and is on its way to another: where it ends, it has to come back.
        OR: [{ image: { not: row.image } }, { targetImage: { not: null }, NOT: { targetImage: row.image } }],
        id: { notIn: known.map(({ gatewayId }) => gatewayId) },
      },
      select: { id: true, image: true },
      orderBy: { id: 'asc' },
    });
    if (missing.length === 0) return;
    const first = known.length === 0;
    const canaries = first ? canaryCount(row.policy as unknown as RolloutPolicy, missing.length) : 0;
    const data = missing.map(({ id, image }, at) => ({
      rolloutId: row.id,
      gatewayId: id,
      canary: at < canaries,
      fromImage: image,
    }));
    await tx.rolloutTarget.createMany({ data, skipDuplicates: true });
  }

  inScope({ tenantId, kind, hostId }: RolloutScope): Prisma.GatewayWhereInput {
    return {
      pool: null,
      phase: { notIn: ['deleting', 'deleted', 'lost'] },
      desiredState: { not: 'deleted' },
      ...(tenantId ? { tenantId } : {}),
      ...(kind ? { kind } : {}),
      ...(hostId ? { hostId } : {}),
    };
  }

  /** Whoever watches sees how far it is. */
  async tell(tx: Tx, row: RolloutRow): Promise<void> {
    const progress = (await this.progress(tx, [row.id])).get(row.id);
    const data = { status: row.status, reason: row.reason, image: row.image, progress: { ...progress } };
    await this.outbox.append(tx, { tenantId: PLATFORM, topic: 'gateways', aggregateId: row.id, type: 'rollout', data });
  }
}
