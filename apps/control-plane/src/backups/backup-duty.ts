import { Injectable, type OnModuleInit } from '@nestjs/common';
import { assertLeadership, Database, type Leadership } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Log } from '../log.js';
import type { Duty } from '../provisioning/upkeep/duty.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';
import { BackupRetention } from './backup-retention.js';
import { BackupSchedule } from './backup-schedule.js';
import { BackupStores } from './backup-stores.js';
import { BackupsRepository } from './backups.repository.js';

const ASK_EVERY_MS = 60_000;
const TIDY_EVERY_MS = 3_600_000;

/** What one process does for all backups: asks for those that are due, and takes away those whose time is over. */
@Injectable()
export class BackupDuty implements Duty, OnModuleInit {
  readonly name = 'backups';
  readonly everyMs = 5_000;
  #askAt = 0;
  #tidyAt = 0;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly schedule: BackupSchedule,
    private readonly backups: BackupsRepository,
    private readonly retention: BackupRetention,
    private readonly stores: BackupStores,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const now = this.clock.now().getTime();
    if (now >= this.#askAt) {
      this.#askAt = now + ASK_EVERY_MS;
      await this.ask(lead);
      await this.retention.expire(lead);
    }
    await this.retention.deleteGivenUp(signal);
    if (now < this.#tidyAt) return;
    this.#tidyAt = now + TIDY_EVERY_MS;
    await this.retention.tidyStores(signal);
  }

  /** Rows for the agents that are due; workers make them. */
  async ask(lead: Leadership): Promise<void> {
    const due = await this.schedule.due();
    if (due.length === 0) return;
    await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      for (const { tenantId, memberId, agentId, gatewayId, keepDays } of due) {
        const whose = { tenantId, memberId, agentId, gatewayId };
        await this.backups.insert(tx, { ...whose, kind: 'scheduled', store: this.stores.current, keepDays });
      }
    });
    this.log.info({ backups: due.length }, 'scheduled backups are due');
  }
}
