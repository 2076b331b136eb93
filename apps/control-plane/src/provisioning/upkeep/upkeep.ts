import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { ControlPlaneConfig } from '#libs/config';
import { Database, dropLeaderships, LeadershipLost, takeLeadership } from '#libs/database';
import { delay } from '#libs/kernel';
import { Log } from '../../log.js';
import type { Duty } from './duty.js';

/** A duty is somebody else's after this long without a sign of life. */
const HELD_SECONDS = 20;
const RENEW_MS = 5_000;

/** Does the duties of this process's features, each in one process at a time: here, unless another one holds it. */
@Injectable()
export class Upkeep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #owner: string;
  readonly #duties: Duty[] = [];
  readonly #stop = new AbortController();
  #running: Promise<void>[] = [];

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly log: Log,
  ) {
    this.#owner = `${config.nodeName}:${process.pid}:${randomBytes(6).toString('hex')}`;
  }

  /** Call it in `onModuleInit`. */
  register(duty: Duty): void {
    this.#duties.push(duty);
  }

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('worker')) return;
    this.#running = this.#duties.map((duty) => this.#forEver(duty));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort(new Error('the control plane is stopping'));
    await Promise.allSettled(this.#running);
    if (this.#running.length > 0) await dropLeaderships(this.database, this.#owner).catch(() => undefined);
  }

  async #forEver(duty: Duty): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#round(duty, signal);
      } catch (err) {
        if (!signal.aborted && !(err instanceof LeadershipLost))
          this.log.warn({ err, duty: duty.name }, 'regular work failed; it comes again');
      }
      await delay(duty.everyMs, signal).catch(() => undefined);
    }
  }

  /** The duty is renewed while a round runs; a round that lost it is aborted. */
  async #round(duty: Duty, stop: AbortSignal): Promise<void> {
    const lead = await takeLeadership(this.database, duty.name, this.#owner, HELD_SECONDS);
    if (!lead) return;
    const lost = new AbortController();
    const renewing = setInterval(() => {
      takeLeadership(this.database, duty.name, this.#owner, HELD_SECONDS).then(
        (now) => now?.fence === lead.fence || lost.abort(new LeadershipLost(duty.name)),
        // The database is away: what the round writes meanwhile fails with it.
        (err: unknown) => this.log.warn({ err, duty: duty.name }, 'duty not renewed'),
      );
    }, RENEW_MS);
    try {
      await duty.run(lead, AbortSignal.any([stop, lost.signal]));
    } finally {
      clearInterval(renewing);
    }
  }
}
