import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, type Leadership, LeadershipLost } from '#libs/database';
import { deadline, delay } from '#libs/kernel';
import { Log } from '../../log.js';
import type { Duty } from '../upkeep/duty.js';
import { Upkeep } from '../upkeep/upkeep.js';
import { HostRound, type HostRow } from './host-round.js';

/** Longest look at one host with all that is done there, in milliseconds. */
const HOST_LIMIT_MS = 120_000;
/** A round waits for its hosts this long; one that takes longer goes on by itself and misses the next rounds. */
const ROUND_WAIT_MS = 15_000;

/** Compares what is on each host with what the rows say, on all hosts side by side: one that hangs keeps none waiting. */
@Injectable()
export class Inventory implements Duty, OnModuleInit {
  readonly name = 'inventory';
  readonly everyMs = 30_000;
  /** Hosts whose last look has not ended. */
  readonly #busy = new Set<string>();

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly round: HostRound,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const hosts = await this.database.once((client) =>
      client.host.findMany({ where: { state: { notIn: ['lost', 'removed'] } } }),
    );
    const over = new AbortController();
    const looks = Promise.all(hosts.map((host) => this.#look(host, lead, signal)));
    await Promise.race([looks, delay(ROUND_WAIT_MS, AbortSignal.any([signal, over.signal])).catch(() => undefined)]);
    over.abort();
  }

  /** Never rejects: what one host's look came to is for the log. */
  async #look(host: HostRow, lead: Leadership, signal: AbortSignal): Promise<void> {
    if (this.#busy.has(host.id)) return;
    this.#busy.add(host.id);
    try {
      const result = await this.round.run(host, lead, deadline(HOST_LIMIT_MS, signal));
      if (result.held + result.quarantined + result.collected > 0)
        this.log.warn({ host: host.name, ...result }, 'a host has what the rows do not explain');
    } catch (err) {
      if (err instanceof LeadershipLost || signal.aborted) return;
      // Its silence is told by the host watch; here it only means that nothing was learnt.
      this.log.warn({ err, host: host.name }, 'a host could not be compared with the rows; it is tried again');
    } finally {
      this.#busy.delete(host.id);
    }
  }
}
