import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { Log } from '../log.js';
import { TenantChanges } from './tenant-changes.js';
import { TenantRows } from './tenant-rows.js';
import { TenantsRepository } from './tenants.repository.js';

const ACTOR = 'system:tenant-erasure';
/** Withdrawn routes stay this long after the last agent is gone: every proxy hears of them within a second. */
const ROUTE_GRACE_MS = 10_000;
/** Reports of model calls can arrive late: what comes for an erased tenant is looked for this long. */
const LATE_DAYS = 2;
const SWEEP_EVERY_MS = 3_600_000;

/** `again`: there is more to do now. `waiting`: for the reconciler, or for another process that is at it. */
export type ErasureStep = 'again' | 'waiting' | 'done';

/**
 * Erases closed tenants whose time has come. Where it stands is read from the rows alone, and every step is one
 * transaction: it may die between any two and goes on from there, in whichever process.
 *
 * 1. `closed` becomes `erasing`: from here nothing brings it back
 * 2. every agent is wanted `erased`; the reconciler deletes the folders
 * 3. every gateway is wanted `deleted`; the reconciler removes them
 * 4. every backup is given up; their objects go, then their rows
 * 5. rows go in batches, whoever refers to others first
 * 6. the last rows, the data keys and the tombstone in one transaction
 */
@Injectable()
export class TenantErasure {
  #sweptAt = 0;

  constructor(
    private readonly database: Database,
    private readonly rows: TenantRows,
    private readonly tenants: TenantsRepository,
    private readonly changes: TenantChanges,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    private readonly logger: Log,
  ) {}

  /** Goes on with every tenant that is due, until it has to wait. One that fails does not keep the others. */
  async run(signal: AbortSignal): Promise<void> {
    for (const id of await this.#due()) {
      try {
        while (!signal.aborted && (await this.advance(id)) === 'again');
      } catch (err) {
        this.logger.error({ err, tenant: id }, 'erasing a tenant failed; it is tried again');
      }
    }
    if (this.clock.now().getTime() - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = this.clock.now().getTime();
    await this.#sweepLate();
  }

  /** The next step of one tenant. */
  async advance(id: string): Promise<ErasureStep> {
    const step = await this.database.system(async (tx) => {
      const [row] = await tx.$queryRaw<{ status: string; due: Date | null }[]>`
        SELECT status, erase_after AS due FROM tenants WHERE id = ${id} FOR NO KEY UPDATE SKIP LOCKED`;
      if (!row) return 'waiting';
      if (row.status === 'closed' && row.due && row.due <= this.clock.now()) return this.#begin(tx, id);
      return row.status === 'erasing' ? this.#next(tx, id) : 'done';
    });
    if (step !== 'waiting') await this.changes.announce();
    return step;
  }

  async #due(): Promise<string[]> {
    const closed = { status: 'closed', eraseAfter: { lte: this.clock.now() } };
    const rows = await this.database.system((tx) =>
      tx.tenant.findMany({
        where: { OR: [{ status: 'erasing' }, closed] },
        select: { id: true },
        orderBy: { id: 'asc' },
      }),
    );
    return rows.map((row) => row.id);
  }

  async #begin(tx: Tx, id: string): Promise<ErasureStep> {
    await this.tenants.update(tx, id, { status: 'erasing' });
    const change = { tenantId: id, actor: ACTOR, action: 'erase', before: 'closed', detail: { early: false } };
    await this.changes.record(tx, change);
    return 'again';
  }

  async #next(tx: Tx, id: string): Promise<ErasureStep> {
    if (await this.#waitsForAgents(tx, id)) return 'waiting';
    if (await this.#waitsForGateways(tx, id)) return 'waiting';
    if (await this.#waitsForBackups(tx, id)) return 'waiting';
    if (await this.#waitsForProxies(tx, id)) return 'waiting';
    if (await this.rows.deleteSome(tx, id)) return 'again';
    return this.#finish(tx, id);
  }

  async #waitsForAgents(tx: Tx, tenantId: string): Promise<boolean> {
    await tx.agent.updateMany({
      where: { tenantId, desiredState: { not: 'erased' } },
      data: { desiredState: 'erased', generation: { increment: 1n }, dueAt: this.clock.now() },
    });
    return (await tx.agent.count({ where: { tenantId, phase: { not: 'deleted' } } })) > 0;
  }

  async #waitsForGateways(tx: Tx, tenantId: string): Promise<boolean> {
    await tx.gateway.updateMany({
      where: { tenantId, desiredState: { not: 'deleted' } },
      data: { desiredState: 'deleted', dueAt: this.clock.now() },
    });
    return (await tx.gateway.count({ where: { tenantId, phase: { not: 'deleted' } } })) > 0;
  }

  /** Their objects go first, with the duty of backups; the keys that opened them go with the rows below. */
  async #waitsForBackups(tx: Tx, tenantId: string): Promise<boolean> {
    await tx.backup.updateMany({ where: { tenantId, status: { not: 'deleting' } }, data: { status: 'deleting' } });
    return (await tx.backup.count({ where: { tenantId } })) > 0;
  }

  async #waitsForProxies(tx: Tx, tenantId: string): Promise<boolean> {
    const latest = await tx.agent.aggregate({ where: { tenantId }, _max: { phaseSince: true } });
    const since = latest._max.phaseSince?.getTime() ?? 0;
    return this.clock.now().getTime() - since < ROUTE_GRACE_MS;
  }

  /** What is left says that there was a tenant, and what was done to it; not who it was. */
  async #finish(tx: Tx, id: string): Promise<ErasureStep> {
    await this.rows.deleteLast(tx, id);
    const blank = { name: 'Erased', brand: {}, limits: {}, timeZone: 'UTC', locale: 'en', suspendedReason: null };
    const tombstone = { ...blank, slug: `erased-${id}`, status: 'erased', erasedAt: this.clock.now() };
    await this.tenants.update(tx, id, tombstone);
    const line = { tenantId: id, actor: ACTOR, action: 'tenant.erased', resource: 'tenant', resourceId: id };
    await this.audit.record(tx, { ...line, data: {} });
    await this.rows.deleteSome(tx, id); // the event of that line
    return 'done';
  }

  async #sweepLate(): Promise<void> {
    const since = new Date(this.clock.now().getTime() - LATE_DAYS * 86_400_000);
    const where = { status: 'erased', erasedAt: { gt: since } };
    const rows = await this.database.system((tx) => tx.tenant.findMany({ where, select: { id: true } }));
    for (const { id } of rows) await this.database.system((tx) => this.rows.deleteLast(tx, id));
  }
}
