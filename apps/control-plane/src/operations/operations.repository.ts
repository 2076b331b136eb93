import { Injectable } from '@nestjs/common';
import type { OperationView } from '#libs/contracts';
import { type Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import {
  type OperationKind,
  type OperationStep,
  progressOf,
  type StepName,
  stepRunning,
  stepsFailed,
  stepsOf,
  stepsSucceeded,
} from './operation-steps.js';

export type OperationRow = Prisma.OperationGetPayload<object>;

export interface NewOperation {
  readonly tenantId: string;
  readonly memberId: string;
  readonly agentId: string;
  readonly kind: OperationKind;
  readonly moves: boolean;
  readonly generation: bigint;
  readonly deadlineSeconds: number;
}

export const toOperationView = (row: OperationRow): OperationView => {
  const steps = row.steps as unknown as OperationStep[];
  return {
    id: row.id,
    kind: row.kind,
    status: row.status as OperationView['status'],
    progress: row.status === 'succeeded' ? 1 : progressOf(steps),
    steps,
    result: (row.result ?? null) as OperationView['result'],
    error: (row.error ?? null) as OperationView['error'],
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
};

const OPEN = ['pending', 'running'];
const supersededBy = (id: string) => ({
  code: 'superseded',
  message: `A newer request replaced this one: follow ${id}.`,
});
/** What the table gives a new row by itself. */
const NEW_OPERATION = { status: 'pending', result: null, error: null, finishedAt: null } as const;
const json = (value: unknown): Prisma.InputJsonValue => value as Prisma.InputJsonValue;

/** Operations and their events; every method runs in the caller's transaction, with the change that it reports. */
@Injectable()
export class OperationsRepository {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
  ) {}

  /** Opens an operation; whatever else was open for that agent is superseded by it. */
  async open(tx: Tx, wanted: NewOperation): Promise<OperationRow> {
    const data = this.#newRow(wanted);
    for (const row of await this.#open(tx, wanted.agentId)) await this.#supersede(tx, row, data.id);
    const row = await tx.operation.create({ data });
    await this.#tell(tx, row, 'opened');
    return row;
  }

  /** The same for many agents, in one statement for their rows and one for their events, however many they are. */
  async openMany(tx: Tx, wanted: readonly NewOperation[]): Promise<void> {
    const rows = wanted.map((one) => this.#newRow(one));
    const byAgent = new Map(rows.map((row) => [row.agentId, row.id]));
    await this.#supersedeAll(tx, byAgent);
    const texts = rows.map((row) => JSON.stringify({ ...row, generation: String(row.generation) }));
    await tx.$executeRaw`
      INSERT INTO operations (id, tenant_id, member_id, agent_id, kind, steps, generation, deadline, created_at)
      SELECT r->>'id', r->>'tenantId', r->>'memberId', r->>'agentId', r->>'kind', r->'steps', (r->>'generation')::bigint,
        (r->>'deadline')::timestamptz, (r->>'createdAt')::timestamptz
      FROM unnest(${texts}::jsonb[]) AS r`;
    const opened = rows.map((row) => ({ ...NEW_OPERATION, ...row }) as OperationRow);
    await this.#tellAll(tx, opened, 'opened');
  }

  /** What is open for these agents is replaced by the operation beside them. */
  async #supersedeAll(tx: Tx, byAgent: ReadonlyMap<string, string>): Promise<void> {
    const open = await tx.$queryRaw<OperationRow[]>`
      SELECT id, tenant_id AS "tenantId", agent_id AS "agentId", kind, status, steps, result, error, created_at AS "createdAt"
      FROM operations WHERE agent_id = ANY(${[...byAgent.keys()]}) AND status = ANY(${OPEN})`;
    const finishedAt = this.clock.now();
    const rows = open.map((row) => {
      const error = supersededBy(byAgent.get(row.agentId ?? '') ?? '');
      return { ...row, status: 'cancelled', error, finishedAt };
    });
    const [ids, errors] = [rows.map(({ id }) => id), rows.map(({ error }) => JSON.stringify(error))];
    await tx.$executeRaw`
      UPDATE operations o SET status = 'cancelled', error = t.error, finished_at = ${finishedAt}
      FROM unnest(${ids}::text[], ${errors}::jsonb[]) AS t (id, error) WHERE o.id = t.id`;
    await this.#tellAll(tx, rows, 'done');
  }

  async #tellAll(tx: Tx, rows: readonly OperationRow[], type: 'opened' | 'done'): Promise<void> {
    const [ids, tenants] = [rows.map(({ id }) => id), rows.map(({ tenantId }) => tenantId)];
    const views = rows.map((row) => JSON.stringify(toOperationView(row)));
    await tx.$executeRaw`
      INSERT INTO outbox (tenant_id, topic, aggregate_id, type, data)
      SELECT t.tenant, 'operations', t.id, ${type}, t.view
      FROM unnest(${ids}::text[], ${tenants}::text[], ${views}::jsonb[]) AS t (id, tenant, view)`;
  }

  #newRow(wanted: NewOperation) {
    const now = this.clock.now();
    return {
      id: this.ids.next('operation'),
      tenantId: wanted.tenantId,
      memberId: wanted.memberId,
      agentId: wanted.agentId,
      kind: wanted.kind,
      steps: json(stepsOf(wanted.kind, wanted.moves)),
      generation: wanted.generation,
      deadline: new Date(now.getTime() + wanted.deadlineSeconds * 1000),
      createdAt: now,
    };
  }

  async #supersede(tx: Tx, row: OperationRow, by: string): Promise<void> {
    await this.#finish(tx, row, { status: 'cancelled', error: json(supersededBy(by)) });
  }

  /** An export concerns no agent: nothing that happens to the agent replaces or ends it. */
  async openExport(
    tx: Tx,
    wanted: Pick<NewOperation, 'tenantId' | 'memberId' | 'deadlineSeconds'>,
  ): Promise<OperationRow> {
    const row = this.#newRow({ ...wanted, agentId: '', kind: 'export', moves: false, generation: 0n });
    const created = await tx.operation.create({ data: { ...row, agentId: null } });
    await this.#tell(tx, created, 'opened');
    return created;
  }

  async findOpenExport(tx: Tx, tenantId: string, memberId: string): Promise<OperationRow | undefined> {
    const where = { tenantId, memberId, kind: 'export', status: { in: OPEN } };
    return (await tx.operation.findFirst({ where })) ?? undefined;
  }

  async openExports(tx: Tx, limit: number): Promise<OperationRow[]> {
    const where = { kind: 'export', status: { in: OPEN } };
    return tx.operation.findMany({ where, orderBy: { id: 'asc' }, take: limit });
  }

  /** Holds an open export until the transaction ends; false when it is over, or another process holds it. */
  async holdExport(tx: Tx, tenantId: string, id: string): Promise<boolean> {
    const rows = await tx.$queryRaw<object[]>`
      SELECT 1 FROM operations WHERE id = ${id} AND tenant_id = ${tenantId} AND kind = 'export'
        AND status IN ('pending', 'running') FOR NO KEY UPDATE SKIP LOCKED`;
    return rows.length === 1;
  }

  async finishExport(
    tx: Tx,
    tenantId: string,
    id: string,
    outcome:
      | { readonly result: Record<string, unknown> }
      | { readonly error: { readonly code: string; readonly message: string } },
  ): Promise<void> {
    const row = await this.find(tx, tenantId, id);
    if (!row) return;
    const steps = row.steps as unknown as OperationStep[];
    const now = this.clock.now().toISOString();
    if ('error' in outcome) {
      const failed = stepsFailed(steps, now, outcome.error.message);
      await this.#finish(tx, row, { status: 'failed', steps: json(failed), error: json(outcome.error) });
      return;
    }
    const done = stepsSucceeded(stepRunning(steps, 'collect', now) ?? steps, now);
    await this.#finish(tx, row, { status: 'succeeded', steps: json(done), result: json(outcome.result) });
  }

  async findOpen(tx: Tx, agentId: string): Promise<OperationRow | undefined> {
    return (await this.#open(tx, agentId)).at(-1);
  }

  async find(tx: Tx, tenantId: string, id: string): Promise<OperationRow | undefined> {
    return (await tx.operation.findFirst({ where: { id, tenantId } })) ?? undefined;
  }

  async list(tx: Tx, tenantId: string | undefined, after: string | undefined, limit: number): Promise<OperationRow[]> {
    return tx.operation.findMany({
      where: { ...(tenantId ? { tenantId } : {}), ...(after ? { id: { lt: after } } : {}) },
      orderBy: { id: 'desc' },
      take: limit,
    });
  }

  /** Marks the step that an agent's open operations are at, with what they wait for. Writes only when it changes. */
  async progress(tx: Tx, agentId: string, step: StepName, detail: string | null = null): Promise<void> {
    for (const row of await this.#open(tx, agentId)) {
      const steps = stepRunning(row.steps as unknown as OperationStep[], step, this.clock.now().toISOString(), detail);
      if (!steps) continue;
      const data = { steps: json(steps), status: 'running' };
      await this.#tell(tx, await tx.operation.update({ where: { id: row.id }, data }), 'step');
    }
  }

  /** Closes the agent's open operations up to `generation`. */
  async succeed(tx: Tx, agentId: string, generation: bigint, result: Record<string, unknown>): Promise<void> {
    for (const row of await this.#open(tx, agentId)) {
      if (row.generation > generation) continue;
      const steps = stepsSucceeded(row.steps as unknown as OperationStep[], this.clock.now().toISOString());
      await this.#finish(tx, row, { status: 'succeeded', steps: json(steps), result: json(result) });
    }
  }

  async fail(tx: Tx, agentId: string, code: string, message: string): Promise<void> {
    for (const row of await this.#open(tx, agentId)) {
      const steps = stepsFailed(row.steps as unknown as OperationStep[], this.clock.now().toISOString(), message);
      await this.#finish(tx, row, { status: 'failed', steps: json(steps), error: json({ code, message }) });
    }
  }

  /** Open operations whose time is over. */
  async overdue(tx: Tx, limit: number): Promise<OperationRow[]> {
    return tx.operation.findMany({
      where: { status: { in: OPEN }, agentId: { not: null }, deadline: { lt: this.clock.now() } },
      take: limit,
      orderBy: { deadline: 'asc' },
    });
  }

  async #open(tx: Tx, agentId: string): Promise<OperationRow[]> {
    return tx.operation.findMany({ where: { agentId, status: { in: OPEN } }, orderBy: { id: 'asc' } });
  }

  async #finish(tx: Tx, row: OperationRow, data: Prisma.OperationUpdateInput): Promise<void> {
    const finished = await tx.operation.update({
      where: { id: row.id },
      data: { ...data, finishedAt: this.clock.now() },
    });
    await this.#tell(tx, finished, 'done');
  }

  async #tell(tx: Tx, row: OperationRow, type: 'opened' | 'step' | 'done'): Promise<void> {
    const data = json(toOperationView(row)) as Prisma.InputJsonObject;
    await this.outbox.append(tx, { tenantId: row.tenantId, topic: 'operations', aggregateId: row.id, type, data });
  }
}
