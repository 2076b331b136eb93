import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { delay } from '#libs/kernel';
import { Log } from '../log.js';
import { HostDrivers } from './host-drivers.js';

/** New hosts are noticed, and a watch that ended is taken up again, this often. */
const LOOK_MS = 2_000;

/** Engines say when a gateway's process starts or ends: it is looked at within a second, not at the next round. */
@Injectable()
export class FleetWatch {
  readonly #watched = new Set<string>();

  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly log: Log,
  ) {}

  /** Calls `changed` with ids of gateways until the signal aborts. Never rejects: what is missed is found by polling. */
  async run(changed: (id: string) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const hostId of await this.#hosts()) {
        if (this.#watched.has(hostId)) continue;
        this.#watched.add(hostId);
        void this.#watch(hostId, changed, signal).finally(() => this.#watched.delete(hostId));
      }
      await delay(LOOK_MS, signal).catch(() => undefined);
    }
  }

  async #hosts(): Promise<string[]> {
    try {
      const where = { state: { notIn: ['lost', 'removed'] } };
      const rows = await this.database.once((client) => client.host.findMany({ where, select: { id: true } }));
      return rows.map((row) => row.id);
    } catch (err) {
      this.log.warn({ err }, 'hosts could not be read; watching goes on');
      return [];
    }
  }

  async #watch(hostId: string, changed: (id: string) => void, signal: AbortSignal): Promise<void> {
    try {
      const driver = await this.drivers.of(hostId, signal);
      for await (const id of driver.watch(signal)) changed(id);
    } catch (err) {
      if (!signal.aborted) this.log.warn({ err, hostId }, 'watching a host failed; it is tried again');
    }
  }
}
