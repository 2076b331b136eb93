import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { OperationsRepository } from '../operations/operations.repository.js';
import { Outbox } from '../outbox/outbox.js';
import { MemberExportRunner } from '../members/export/member-export-runner.js';
import { TenantErasure } from '../tenants/tenant-erasure.service.js';
import { conditionsOf } from './conditions.js';

/** Events are kept this long for consoles and streams that come back. */
const OUTBOX_DAYS = 7;
/** That a mail was sent or failed can be looked up this long; its text is gone as soon as it is sent. */
const MAIL_DAYS = 30;

/** What has to happen regularly whoever asks: deadlines of operations, old rows. */
@Injectable()
export class Housekeeping {
  #purgeAt = 0;

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly operations: OperationsRepository,
    private readonly outbox: Outbox,
    private readonly exports: MemberExportRunner,
    private readonly erasure: TenantErasure,
    private readonly clock: Clock,
  ) {}

  /** Every row is looked at once after a start: nobody knows what happened meanwhile. */
  async atStart(): Promise<void> {
    await this.database.raw.$executeRaw`UPDATE gateways SET due_at = now() WHERE phase <> 'deleted'`;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#failOverdue();
    const now = this.clock.now().getTime();
    if (now - this.#purgeAt > 3_600_000) {
      this.#purgeAt = now;
      await this.#purge();
    }
    await this.exports.run(signal);
    await this.erasure.run(signal);
  }

  /** An operation never stays open for ever: past its deadline it fails with what it last waited for. */
  async #failOverdue(): Promise<void> {
    const overdue = await this.database.system(async (tx) => {
      const rows = await this.operations.overdue(tx, 100);
      for (const row of rows) {
        const { code, message } = await this.#lastSeen(row.agentId);
        await this.operations.fail(tx, row.agentId ?? '', code, message);
      }
      return rows.length;
    });
    if (overdue > 0) await this.outbox.announce();
  }

  async #lastSeen(agentId: string | null): Promise<{ code: string; message: string }> {
    const include = { gateway: true, targetGateway: true };
    const agent = agentId ? await this.database.raw.agent.findUnique({ where: { id: agentId }, include }) : null;
    const candidates = [agent?.targetGateway, agent?.gateway, agent];
    for (const row of candidates) {
      const bad = conditionsOf(row?.conditions).find(
        (condition) => !condition.status && condition.reason !== 'inactive',
      );
      if (bad) return { code: bad.reason, message: `${bad.message} It is still tried in the background.` };
    }
    const message = `Not finished within ${this.config.operationDeadlineSeconds} s. It is still tried in the background.`;
    return { code: 'deadline-exceeded', message };
  }

  async #purge(): Promise<void> {
    await this.database.raw.$executeRaw`DELETE FROM outbox WHERE at < now() - make_interval(days => ${OUTBOX_DAYS})`;
    await this.database.raw.$executeRaw`DELETE FROM idempotency_keys WHERE expires_at < now()`;
    await this.database.raw.$executeRaw`DELETE FROM sign_in_codes WHERE expires_at < now() - interval '1 day'`;
    await this.database.raw.$executeRaw`DELETE FROM revocations WHERE until < now()`;
    await this.database.raw.$executeRaw`DELETE FROM user_sessions WHERE expires_at < now()`;
    await this.database.raw.$executeRaw`DELETE FROM sign_in_attempts WHERE expires_at < now() - interval '1 day'`;
    await this.database.raw
      .$executeRaw`DELETE FROM mails WHERE created_at < now() - make_interval(days => ${MAIL_DAYS})`;
  }
}
