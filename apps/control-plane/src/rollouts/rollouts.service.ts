import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { Outbox } from '../outbox/outbox.js';
import { ACTIVE, DEFAULT_POLICY, type RolloutPolicy, type RolloutScope } from './rollout-policy.js';
import {
  type RolloutRow,
  type RolloutTargetView,
  type RolloutView,
  toRolloutView,
  toTargetView,
} from './rollout-view.js';
import { RolloutNotActive, RolloutNotFound, RolloutScopeUnknown } from './rollouts.errors.js';
import { RolloutsRepository } from './rollouts.repository.js';

export interface RolloutWish {
  readonly image: string;
  readonly policy: Partial<RolloutPolicy>;
  readonly scope: RolloutScope;
}

/** What operators decide about rollouts; the leader of the duty `rollouts` does it. */
@Injectable()
export class RolloutsService {
  constructor(
    private readonly database: Database,
    private readonly rollouts: RolloutsRepository,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
  ) {}

  /** One at a time: a new one takes the place of those that are under way. */
  async create({ image, policy, scope }: RolloutWish, actor: string): Promise<RolloutView> {
    return this.#decide(actor, 'rollout.create', { image, scope: { ...scope } }, async (tx) => {
      await assertScope(tx, scope);
      await this.rollouts.lock(tx);
      const full = { ...DEFAULT_POLICY, ...policy };
      const row = await this.rollouts.create(tx, { image, policy: full, scope, actor, status: 'pending' });
      await this.supersede(tx, row);
      return row;
    });
  }

  /** Those under way before it begin nothing any more; what they have begun ends. */
  async supersede(tx: Tx, by: RolloutRow): Promise<void> {
    for (const row of await this.rollouts.active(tx)) {
      if (row.id === by.id) continue;
      await this.rollouts.change(tx, row, { status: 'aborting', reason: `Superseded by ${by.id}.` });
    }
  }

  async list(before: string | undefined, limit: number): Promise<RolloutView[]> {
    return this.database.system(async (tx) => {
      const rows = await this.rollouts.list(tx, before, limit);
      return this.#views(tx, rows);
    });
  }

  async get(id: string): Promise<RolloutView> {
    return this.database.system(async (tx) => (await this.#views(tx, [await this.#row(tx, id)]))[0]!);
  }

  async targets(id: string, after: string | undefined, limit: number): Promise<RolloutTargetView[]> {
    return this.database.system(async (tx) => {
      await this.#row(tx, id);
      return (await this.rollouts.targets(tx, id, after, limit)).map(toTargetView);
    });
  }

  /** Nothing more begins; what is under way ends. */
  async pause(id: string, actor: string, reason: string | undefined): Promise<RolloutView> {
    return this.#decide(actor, 'rollout.pause', {}, async (tx) => {
      const row = await this.#active(tx, id, ['pending', 'running', 'paused'], 'paused');
      if (row.status === 'paused') return row;
      return this.rollouts.change(tx, row, { status: 'paused', reason: reason ?? 'Paused by an operator.' });
    });
  }

  /** Goes on; failures so far do not pause it again. `retryFailed`: those that failed are tried once more. */
  async resume(id: string, actor: string, retryFailed: boolean): Promise<RolloutView> {
    return this.#decide(actor, 'rollout.resume', { retryFailed }, async (tx) => {
      const row = await this.#active(tx, id, ['paused', 'running', 'pending'], 'resumed');
      if (row.status !== 'paused') return row;
      const failed = { rolloutId: id, status: { in: ['failed', 'rolled-back'] } };
      const again = { status: 'pending', reason: null, startedAt: null, finishedAt: null };
      if (retryFailed) await tx.rolloutTarget.updateMany({ where: failed, data: again });
      const forgiven = retryFailed ? 0 : await tx.rolloutTarget.count({ where: failed });
      // One that was paused before its image was known goes on there.
      const known = (await tx.rolloutTarget.count({ where: { rolloutId: id } })) > 0;
      return this.rollouts.change(tx, row, { status: known ? 'running' : 'pending', reason: null, forgiven });
    });
  }

  /** Ends it. `revert`: those that were upgraded are sent back to the image they had. */
  async abort(id: string, actor: string, revert: boolean): Promise<RolloutView> {
    return this.#decide(actor, 'rollout.abort', { revert }, async (tx) => {
      const row = await this.#active(tx, id, ACTIVE, 'aborted');
      const done = { rolloutId: id, status: 'succeeded' };
      if (revert) await tx.rolloutTarget.updateMany({ where: done, data: { status: 'revert' } });
      const reason = revert ? 'Aborted by an operator; what was upgraded goes back.' : 'Aborted by an operator.';
      return this.rollouts.change(tx, row, { status: 'aborting', reason });
    });
  }

  async #decide(
    actor: string,
    action: string,
    data: object,
    work: (tx: Tx) => Promise<RolloutRow>,
  ): Promise<RolloutView> {
    const view = await this.database.system(async (tx) => {
      const row = await work(tx);
      const view = (await this.#views(tx, [row]))[0]!;
      const line = { action, resource: 'rollout', resourceId: row.id, data: { ...data } };
      await this.audit.record(tx, { ...line, tenantId: null, actor });
      return view;
    });
    await this.outbox.announce();
    return view;
  }

  async #views(tx: Tx, rows: readonly RolloutRow[]): Promise<RolloutView[]> {
    const ids = rows.map(({ id }) => id);
    const progress = await this.rollouts.progress(tx, ids);
    return rows.map((row) => toRolloutView(row, progress.get(row.id)!));
  }

  async #row(tx: Tx, id: string): Promise<RolloutRow> {
    const row = await this.rollouts.find(tx, id);
    if (!row) throw new RolloutNotFound();
    return row;
  }

  async #active(tx: Tx, id: string, from: readonly string[], wish: string): Promise<RolloutRow> {
    await this.rollouts.lock(tx);
    const row = await this.#row(tx, id);
    if (!from.includes(row.status)) throw new RolloutNotActive(row.status, wish);
    return row;
  }
}

async function assertScope(tx: Tx, { tenantId, hostId }: RolloutScope): Promise<void> {
  if (tenantId && (await tx.tenant.count({ where: { id: tenantId } })) === 0) throw new RolloutScopeUnknown('tenant');
  if (hostId && (await tx.host.count({ where: { id: hostId } })) === 0) throw new RolloutScopeUnknown('host');
}
