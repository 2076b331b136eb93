import { Injectable, type OnModuleInit } from '@nestjs/common';
import { assertLeadership, Database, type Leadership, Prisma } from '#libs/database';
import { deadline } from '#libs/kernel';
import { HostDrivers } from '../fleet/host-drivers.js';
import { Log } from '../log.js';
import type { Duty } from '../provisioning/upkeep/duty.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';

const AT_ONCE = 50;
const DROP_LIMIT = 30_000;

interface Kept {
  readonly id: string;
  readonly hostId: string;
  readonly snapshot: string;
}

/** Copies of the state before an upgrade are deleted when their day is over. */
@Injectable()
export class KeptCopies implements Duty, OnModuleInit {
  readonly name = 'kept-copies';
  readonly everyMs = 60_000;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const due = await this.database.raw.$queryRaw<Kept[]>`
      SELECT g.id, g.host_id AS "hostId", g.rollback->>'snapshot' AS snapshot FROM gateways g JOIN hosts h ON h.id = g.host_id
      WHERE g.rollback->>'state' = 'kept' AND (g.rollback->>'keptUntil')::timestamptz < now()
        AND h.state NOT IN ('lost', 'removed') AND h.silent_since IS NULL
      ORDER BY g.id LIMIT ${AT_ONCE}`;
    for (const kept of due) {
      try {
        await this.#drop(lead, kept, deadline(DROP_LIMIT, signal));
      } catch (err) {
        signal.throwIfAborted();
        this.log.warn({ err, gateway: kept.id }, 'a kept copy could not be deleted; it is tried again');
      }
    }
  }

  /** First the copy: a row that names none would leave it for ever. Its name is never used again. */
  async #drop(lead: Leadership, { id, hostId, snapshot }: Kept, signal: AbortSignal): Promise<void> {
    await (await this.drivers.of(hostId, signal)).dropState(id, snapshot, signal);
    await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      const rollback = { path: ['snapshot'], equals: snapshot };
      const kept = { path: ['state'], equals: 'kept' };
      await tx.gateway.updateMany({
        where: { id, AND: [{ rollback }, { rollback: kept }] },
        data: { rollback: Prisma.DbNull },
      });
    });
  }
}
