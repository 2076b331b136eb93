import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DriverError } from '#libs/drivers/core';
import { HostDrivers } from './host-drivers.js';

/** Passes at the same time that may wait for one host; more only queue at its engine. */
const PER_LANE = 12;
/** Gateways and agents of a host have a lane each: one hanging host holds at most both. */
const LANES_A_HOST = 2;
const MOST_PASSES = 120;

type LaneKind = 'gateways' | 'agents';

interface SeenHost {
  readonly name: string;
  readonly answers: boolean;
  /** Changes with the way in which the host is reached. */
  readonly connection: string;
}

/**
 * Keeps a host that is slow, hangs or is away from holding up the others: each has a bounded lane, and what is under way in
 * it is given up as soon as the host counts as silent.
 */
@Injectable()
export class HostLanes {
  readonly #running = new Map<string, Set<AbortController>>();
  #hosts = new Map<string, SeenHost>();

  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
  ) {}

  /** So many passes in all that, with every host but one hanging, the last one still has a lane's worth. */
  get concurrency(): number {
    return Math.min(MOST_PASSES, PER_LANE + PER_LANE * LANES_A_HOST * Math.max(0, this.#hosts.size - 1));
  }

  /** Reads which hosts there are and which of them answer. Asked every second by whoever runs passes. */
  async refresh(): Promise<void> {
    const rows = await this.database.once((client) =>
      client.host.findMany({ where: { state: { not: 'removed' } }, include: { credential: true } }),
    );
    const now = new Map(
      rows.map((row): [string, SeenHost] => {
        const connection = JSON.stringify([row.connection, row.credential?.updatedAt, row.portFrom, row.portTo]);
        return [row.id, { name: row.name, answers: row.silentSince === null && row.state !== 'lost', connection }];
      }),
    );
    for (const [id, seen] of now) this.#compare(id, this.#hosts.get(id), seen);
    this.#hosts = now;
  }

  /** Runs `work` in the host's lane; undefined when the lane is full, or the host has fallen silent meanwhile. */
  async pass<T>(
    kind: LaneKind,
    hostId: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const key = `${kind}/${hostId}`;
    const lane = this.#running.get(key) ?? new Set();
    if (lane.size >= PER_LANE) return undefined;
    const own = new AbortController();
    this.#running.set(key, lane.add(own));
    try {
      return await work(AbortSignal.any([signal, own.signal]));
    } catch (error) {
      // Said once, of the host, and not again of everything that is on it.
      if (own.signal.aborted && !signal.aborted) return undefined;
      throw error;
    } finally {
      lane.delete(own);
      if (lane.size === 0) this.#running.delete(key);
    }
  }

  #compare(id: string, before: SeenHost | undefined, now: SeenHost): void {
    // What was prepared there may be gone, or elsewhere.
    if (before && (before.connection !== now.connection || (!before.answers && now.answers))) this.drivers.forget(id);
    if (now.answers) return;
    const error = new DriverError('engine-unreachable', `The host ${now.name} does not answer.`, true);
    for (const kind of ['gateways', 'agents'] as const)
      for (const pass of this.#running.get(`${kind}/${id}`) ?? []) pass.abort(error);
  }
}
