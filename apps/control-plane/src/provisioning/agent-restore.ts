import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { type Outcome, waitFor } from './outcome.js';
import type { AgentRecord } from './resources.repository.js';

/** Replaces an agent's folder by a backup before it is attached (again). */
@Injectable()
export class AgentRestore {
  /** Of an agent with `restoreBackupId` whose gateway is ready. */
  async continue(_agent: AgentRecord, _lease: Lease, _signal: AbortSignal): Promise<Outcome> {
    return waitFor(2_000);
  }
}
