import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Waker } from '../waker.js';

/** What a doctor does to rows: it asks the reconcilers for another look. They alone change what runs. */
@Injectable()
export class RowRepairs {
  constructor(
    private readonly database: Database,
    private readonly waker: Waker,
  ) {}

  /** Looked at now, whatever it waited for; a long back-off is forgotten. */
  async lookAgain(kind: 'gateway' | 'agent', id: string): Promise<void> {
    await this.database.raw.$executeRawUnsafe(
      `UPDATE "${kind}s" SET due_at = now(), failures = least(failures, 1) WHERE id = $1 AND phase <> 'deleted'`,
      id,
    );
    await this.waker.wake(kind, id);
  }

  /** Its configuration and route are made anew, as after a change of its tier. */
  async renew(agentId: string): Promise<void> {
    await this.database.raw.$executeRaw`
      UPDATE agents SET generation = generation + 1, failures = 0, due_at = now() WHERE id = ${agentId} AND phase <> 'deleted'`;
    await this.waker.wake('agent', agentId);
  }

  /** Takes a row from a holder that cannot be alive. Its fence rises, so nothing of the holder is written any more. */
  async freeLease(kind: 'gateway' | 'agent', id: string): Promise<void> {
    await this.database.raw.$executeRawUnsafe(
      `UPDATE "${kind}s" SET lease_owner = NULL, lease_until = NULL, fence = fence + 1, due_at = now() WHERE id = $1`,
      id,
    );
    await this.waker.wake(kind, id);
  }
}
