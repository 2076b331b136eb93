import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { MasterKeys } from '../master-keys/master-keys.js';

const BATCH = 50;
/** Another process may wrap with its idea of the current key while this runs; it is looked for this often. */
const PASSES = 5;

/**
 * Wraps every data key under the current master key. What remains to be done is in the rows: it can end anywhere, be
 * started again, and run beside others. Nothing that data keys protect is touched.
 */
@Injectable()
export class MasterKeyRotation {
  constructor(
    private readonly database: Database,
    private readonly masterKeys: MasterKeys,
  ) {}

  /** Data keys by the master key that wraps them. */
  async wrappedBy(): Promise<{ masterId: string; dataKeys: number }[]> {
    return this.database.raw.$queryRaw`
      SELECT master_id AS "masterId", count(*)::int AS "dataKeys" FROM data_keys GROUP BY master_id ORDER BY master_id`;
  }

  /** Returns how many were wrapped anew. Ends between two batches when the signal aborts. */
  async rewrap(signal?: AbortSignal): Promise<number> {
    const current = await this.masterKeys.currentId();
    let total = 0;
    for (let pass = 0; pass < PASSES; pass += 1) {
      const done = await this.#pass(current, signal);
      total += done;
      if (done === 0) break;
    }
    return total;
  }

  async #pass(current: string, signal: AbortSignal | undefined): Promise<number> {
    let total = 0;
    for (let after = ''; ;) {
      signal?.throwIfAborted();
      const keys = await this.database.raw.dataKey.findMany({
        where: { masterId: { not: current }, id: { gt: after } },
        orderBy: { id: 'asc' },
        take: BATCH,
      });
      for (const { id, masterId, wrapped } of keys) {
        const fresh = await this.masterKeys.rewrap({ masterId, wrapped }, `data-key/${id}`);
        // Only while it is what was read: a rotation that runs beside this one has done it already.
        total += (await this.database.raw.dataKey.updateMany({ where: { id, masterId, wrapped }, data: fresh })).count;
      }
      if (keys.length < BATCH) return total;
      after = keys.at(-1)!.id;
    }
  }
}
