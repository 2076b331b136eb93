import { Injectable } from '@nestjs/common';
import { assertLeadership, Database, type Leadership, Prisma, type Tx } from '#libs/database';
import { deadline } from '#libs/kernel';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { Log } from '../../log.js';

const AT_ONCE = 50;
const DROP_LIMIT = 30_000;

interface Kept {
  readonly id: string;
  readonly hostId: string;
  readonly snapshot: string;
}

/** Copies of the state before upgrades that are done: a person can put them back for a day. */
@Injectable()
export class KeptStates {
  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly log: Log,
  ) {}

  /** Those whose day is over. */
  async dropExpired(lead: Leadership, signal: AbortSignal): Promise<void> {
    const due = await this.database.raw.$queryRaw<Kept[]>`
      SELECT g.id, g.host_id AS "hostId", g.rollback->>'snapshot' AS snapshot FROM gateways g JOIN hosts h ON h.id = g.host_id
      WHERE g.rollback->>'state' = 'kept' AND (g.rollback->>'keptUntil')::timestamptz < now()
        AND h.state NOT IN ('lost', 'removed') AND h.silent_since IS NULL
      ORDER BY g.id LIMIT ${AT_ONCE}`;
    await this.#each(due, signal, (tx) => assertLeadership(tx, lead));
  }

  /** What is erased is in no copy either, wherever its agent has lived. A copy on a silent host goes when its day is over. */
  async dropOfTenant(tenantId: string, signal: AbortSignal): Promise<void> {
    const all = await this.database.raw.$queryRaw<Kept[]>`
      SELECT g.id, g.host_id AS "hostId", g.rollback->>'snapshot' AS snapshot FROM gateways g JOIN hosts h ON h.id = g.host_id
      WHERE g.tenant_id = ${tenantId} AND g.rollback->>'state' = 'kept'
        AND h.state NOT IN ('lost', 'removed') AND h.silent_since IS NULL
      ORDER BY g.id`;
    await this.#each(all, signal, async () => undefined);
  }

  async #each(all: readonly Kept[], signal: AbortSignal, allowed: (tx: Tx) => Promise<void>): Promise<void> {
    for (const kept of all) {
      try {
        await this.#drop(kept, deadline(DROP_LIMIT, signal), allowed);
      } catch (err) {
        signal.throwIfAborted();
        this.log.warn({ err, gateway: kept.id }, 'a kept copy could not be deleted; it is tried again');
      }
    }
  }

  /** First the copy: a row that names none would leave it for ever. Its name is never used again. */
  async #drop({ id, hostId, snapshot }: Kept, signal: AbortSignal, allowed: (tx: Tx) => Promise<void>): Promise<void> {
    await (await this.drivers.of(hostId, signal)).dropState(id, snapshot, signal);
    await this.database.system(async (tx) => {
      await allowed(tx);
      const named = { rollback: { path: ['snapshot'], equals: snapshot } };
      const kept = { rollback: { path: ['state'], equals: 'kept' } };
      await tx.gateway.updateMany({ where: { id, AND: [named, kept] }, data: { rollback: Prisma.DbNull } });
    });
  }
}
