import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, type Leadership } from '#libs/database';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { Log } from '../../log.js';
import type { Duty } from '../upkeep/duty.js';
import { Upkeep } from '../upkeep/upkeep.js';

/** Compares what is on each host with what the rows say. */
@Injectable()
export class Inventory implements Duty, OnModuleInit {
  readonly name = 'inventory';
  readonly everyMs = 30_000;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(_lead: Leadership, signal: AbortSignal): Promise<void> {
    const hosts = await this.database.once((client) =>
      client.host.findMany({ where: { state: { notIn: ['lost', 'removed'] } } }),
    );
    for (const host of hosts) await this.#collectOrphans(host.id, signal);
  }

  /** Removes what runs under our label without a row that wants it. The row is reserved first, so this is never new work. */
  async #collectOrphans(hostId: string, signal: AbortSignal): Promise<void> {
    const driver = await this.drivers.of(hostId, signal);
    const inventory = await driver.list(signal);
    if (inventory.length === 0) return;
    const ids = inventory.map((entry) => entry.id);
    const rows = await this.database.once((client) =>
      client.gateway.findMany({ where: { id: { in: ids } }, select: { id: true, phase: true } }),
    );
    const wanted = new Set(rows.filter((row) => row.phase !== 'deleted').map((row) => row.id));
    for (const entry of inventory) {
      if (wanted.has(entry.id)) continue;
      this.log.warn({ gateway: entry.id }, 'orphan removed: no row wants it');
      await driver.remove(entry.id, signal);
    }
  }
}
