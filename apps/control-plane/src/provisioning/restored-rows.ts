import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import { Database, type Lease } from '#libs/database';
import { Log } from '../log.js';
import { LeaseLost } from './provisioning.errors.js';
import type { GatewayRecord } from './resources.repository.js';

/**
 * Rows that were restored from an older dump know less than their gateways: a lower fence, which gateways refuse, and a lower
 * number of the configuration, which looks as if it had been delivered. They catch up, and tell their gateways all anew.
 */
@Injectable()
export class RestoredRows {
  constructor(
    private readonly database: Database,
    private readonly log: Log,
  ) {}

  /** Throws LeaseLost when the row was behind: the next pass has the numbers that count. */
  async catchUp(gateway: GatewayRecord, lease: Lease, status: GatewayStatus): Promise<void> {
    if (status.fence <= lease.fence && status.generation <= Number(gateway.configGeneration)) return;
    // Under our own fence only: when somebody else holds the row, it is this pass that is old, not the row.
    const raised = await this.database.raw.$executeRaw`
      UPDATE gateways SET fence = greatest(fence, ${BigInt(status.fence)}),
        config_generation = greatest(config_generation, ${BigInt(status.generation)}) + 1,
        lease_owner = NULL, lease_until = NULL, due_at = now()
      WHERE id = ${gateway.id} AND fence = ${lease.fence}`;
    if (raised > 0) this.log.warn({ gateway: gateway.id }, 'its row is older than what it runs; it is told all anew');
    throw new LeaseLost(gateway.id);
  }
}
