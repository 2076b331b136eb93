import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Log } from '../log.js';
import { LEASE_GRACE_SECONDS, QuotaLeasesService } from './quota-leases.service.js';
import { QuotaRepository } from './quota.repository.js';

const TICK_MS = 30_000;
/** After a start, and after the database was away, brokers report first: their leases are not taken back before. */
const QUIET_MS = 120_000;
const PURGE_EVERY_MS = 3_600_000;
const AT_ONCE = 500;
/** Counters are of their day; the days' sums stay. */
const COUNTER_DAYS = 8;
const PURGE_BATCH = 10_000;

/** Takes back leases of brokers that are gone, and deletes what is old. */
@Injectable()
export class UsageUpkeep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  #timer: NodeJS.Timeout | undefined;
  #quietUntil = 0;
  #purgeAt = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly quota: QuotaRepository,
    private readonly leases: QuotaLeasesService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('worker')) return;
    this.#quietUntil = this.clock.now().getTime() + QUIET_MS;
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#tick());
    }, TICK_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Leases whose broker has not been heard of for so long that nothing more is expected of it. */
  async takeBackExpired(): Promise<number> {
    const before = new Date(this.clock.now().getTime() - LEASE_GRACE_SECONDS * 1000);
    let count = 0;
    for (;;) {
      const ids = await this.database.system((tx) => this.quota.expiredLeases(tx, before, AT_ONCE));
      await this.leases.release(ids);
      count += ids.length;
      if (ids.length < AT_ONCE) return count;
    }
  }

  async purge(): Promise<void> {
    const days = this.config.usageDays;
    let deleted: number;
    do {
      deleted = await this.database.raw.$executeRaw`
        DELETE FROM usage_records WHERE id IN (
          SELECT id FROM usage_records WHERE at < ${this.clock.now()}::timestamptz - make_interval(days => ${days})
          LIMIT ${PURGE_BATCH})`;
    } while (deleted === PURGE_BATCH);
    await this.database.raw.$executeRaw`
      DELETE FROM quota_counters WHERE day < (${this.clock.now()}::timestamptz AT TIME ZONE 'UTC')::date - ${COUNTER_DAYS}::int`;
  }

  /** Never rejects. */
  async #tick(): Promise<void> {
    const now = this.clock.now().getTime();
    try {
      if (now >= this.#quietUntil) {
        const count = await this.takeBackExpired();
        if (count > 0) this.log.info({ leases: count }, 'quota leases of brokers that are gone came back');
      } else await this.database.ping();
      if (now < this.#purgeAt) return;
      this.#purgeAt = now + PURGE_EVERY_MS;
      await this.purge();
    } catch (err) {
      this.#quietUntil = now + QUIET_MS;
      this.log.warn({ err }, 'usage upkeep failed; it is tried again');
    }
  }
}
