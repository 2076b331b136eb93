import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { DataKeys } from '../data-keys.js';
import { SealedUnreadable } from '../secrets.errors.js';
import { Vault } from '../vault.js';
import { SEALED_COLUMNS, type SealedColumn, SHORT_LIVED_HOURS } from './sealed-columns.js';
import { type SealedRow, SealedRowsRepository } from './sealed-rows.repository.js';

const BATCH = 100;
/** Keys that are looked for in one query. */
const KEYS_AT_ONCE = 500;
const KEPT_MS = SHORT_LIVED_HOURS * 3_600_000;

export interface ResealResult {
  /** Values that are under a current key now. */
  readonly resealed: number;
  /** Values that nothing can open: they, and the keys they are under, stay as they are. */
  readonly unreadable: number;
}

/**
 * New data keys, and everything that was under retired ones encrypted again. What remains to be done is in the rows: it can
 * end anywhere, be started again, and run beside writers and beside itself.
 */
@Injectable()
export class DataKeyRotation {
  constructor(
    private readonly database: Database,
    private readonly dataKeys: DataKeys,
    private readonly vault: Vault,
    private readonly rows: SealedRowsRepository,
    private readonly clock: Clock,
  ) {}

  /** Every tenant (`null`: the platform) that has a data key. */
  async owners(): Promise<(string | null)[]> {
    const rows = await this.database.raw.dataKey.findMany({
      where: { retiredAt: null },
      distinct: ['tenantId'],
      select: { tenantId: true },
      orderBy: { tenantId: 'asc' },
    });
    return rows.map((row) => row.tenantId);
  }

  /** A new current key; the one before is retired. Encrypts nothing yet. */
  async renew(tenantId: string | null): Promise<string> {
    return this.dataKeys.rotate(tenantId);
  }

  /** Encrypts everything again that is under a retired key. Ends between two batches when the signal aborts. */
  async reseal(signal?: AbortSignal): Promise<ResealResult> {
    const retired = await this.database.raw.dataKey.findMany({
      where: { retiredAt: { not: null } },
      select: { id: true, tenantId: true },
    });
    const tenants = new Map(retired.map((key) => [key.id, key.tenantId]));
    const result = { resealed: 0, unreadable: 0 };
    const ids = [...tenants.keys()];
    // At least once: values from before there were data keys are under none of them.
    for (let at = 0; at === 0 || at < ids.length; at += KEYS_AT_ONCE) {
      for (const column of SEALED_COLUMNS) {
        const done = await this.#resealColumn(column, ids.slice(at, at + KEYS_AT_ONCE), tenants, signal);
        result.resealed += done.resealed;
        result.unreadable += done.unreadable;
      }
    }
    return result;
  }

  /** Deletes keys that have been retired for long and that nothing is under any more. Returns how many. */
  async deleteUnused(): Promise<number> {
    const before = new Date(this.clock.now().getTime() - KEPT_MS);
    const retired = await this.database.raw.dataKey.findMany({
      where: { retiredAt: { lt: before } },
      select: { id: true },
    });
    let deleted = 0;
    for (const { id } of retired) {
      if (await this.rows.isUsed(SEALED_COLUMNS, id)) continue;
      deleted += (await this.database.raw.dataKey.deleteMany({ where: { id, retiredAt: { lt: before } } })).count;
    }
    return deleted;
  }

  async #resealColumn(
    column: SealedColumn,
    ids: readonly string[],
    tenants: ReadonlyMap<string, string | null>,
    signal: AbortSignal | undefined,
  ): Promise<ResealResult> {
    const result = { resealed: 0, unreadable: 0 };
    const limit = column.batch ?? BATCH;
    for (let after = ''; ;) {
      signal?.throwIfAborted();
      const rows = await this.rows.under(column, ids, after, limit);
      const outcomes = await Promise.all(rows.map((row) => this.#resealRow(column, row, tenants)));
      result.resealed += outcomes.filter((outcome) => outcome === 'resealed').length;
      result.unreadable += outcomes.filter((outcome) => outcome === 'unreadable').length;
      if (rows.length < limit) return result;
      after = rows.at(-1)!.key;
    }
  }

  async #resealRow(
    column: SealedColumn,
    row: SealedRow,
    tenants: ReadonlyMap<string, string | null>,
  ): Promise<'resealed' | 'changed' | 'unreadable'> {
    try {
      const context = column.olderContext?.(row.key) ?? '';
      const fresh = await this.vault.reseal(tenants.get(dataKeyIn(row.sealed)) ?? null, row.sealed, context);
      return (await this.rows.replace(column, row, fresh)) ? 'resealed' : 'changed';
    } catch (error) {
      if (error instanceof SealedUnreadable) return 'unreadable';
      throw error;
    }
  }
}

/** See Envelope's layout. */
const dataKeyIn = (sealed: Uint8Array): string => Buffer.from(sealed).toString('utf8', 2, 2 + (sealed[1] ?? 0));
