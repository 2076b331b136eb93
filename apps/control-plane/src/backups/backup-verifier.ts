import { Injectable } from '@nestjs/common';
import { BackupError, type BackupStore, type StoredObject } from '#libs/backup';
import { Database, type Prisma } from '#libs/database';
import { deadline } from '#libs/kernel';
import { BackupArchives } from './backup-archives.js';
import { BackupStores } from './backup-stores.js';
import { BackupStoreMissing } from './backups.errors.js';
import type { BackupRow } from './backup-rows.js';
import { BackupsRepository } from './backups.repository.js';

const BATCH = 100;
const READ_LIMIT = 1_800_000;

export interface BadBackup {
  readonly id: string;
  readonly tenantId: string;
  readonly code: string;
  readonly message: string;
}

/** An object that no row names. */
export interface StrayObject {
  readonly store: BackupStore['name'];
  readonly key: string;
  readonly bytes: number;
  /** A row of its backup names another object; else nothing is known about it. */
  readonly why: 'superseded' | 'unknown';
}

export interface VerifyReport {
  readonly checked: number;
  readonly bad: readonly BadBackup[];
  readonly strays: readonly StrayObject[];
}

export interface VerifyWish {
  readonly tenantId?: string | undefined;
  /** Called after each backup that was read. */
  readonly seen?: (row: BackupRow, bad: BadBackup | undefined) => void;
}

/** Compares everything that rows say with everything that lies in the stores: what is bad, missing, or nobody's. */
@Injectable()
export class BackupVerifier {
  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
    private readonly stores: BackupStores,
  ) {}

  async verify(wish: VerifyWish, signal: AbortSignal): Promise<VerifyReport> {
    const bad: BadBackup[] = [];
    let checked = 0;
    for await (const row of this.#good(wish.tenantId)) {
      const found = await this.#check(row, signal);
      if (found) bad.push(found);
      checked += 1;
      wish.seen?.(row, found);
    }
    return { checked, bad, strays: await this.strays(wish.tenantId, signal) };
  }

  /** Objects that no row names, of every store that is configured. */
  async strays(tenantId: string | undefined, signal: AbortSignal): Promise<StrayObject[]> {
    const found: StrayObject[] = [];
    for (const store of await this.stores.all()) {
      let batch: StoredObject[] = [];
      for await (const object of store.list(tenantId ? `${tenantId}/` : '', signal)) {
        batch.push(object);
        if (batch.length < BATCH) continue;
        found.push(...(await this.#straysIn(store.name, batch)));
        batch = [];
      }
      found.push(...(await this.#straysIn(store.name, batch)));
    }
    return found;
  }

  /** Deletes them, if they are still nobody's now. Returns how many. */
  async removeStrays(strays: readonly StrayObject[], signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (const { store, key, bytes } of strays) {
      const still = await this.#straysIn(store, [{ key, bytes, at: new Date() }]);
      if (still.length === 0) continue;
      await (await this.stores.of(store)).delete(key, signal);
      removed += 1;
    }
    return removed;
  }

  async *#good(tenantId: string | undefined): AsyncGenerator<BackupRow> {
    for (let after = ''; ;) {
      const where: Prisma.BackupWhereInput = {
        status: 'succeeded',
        id: { gt: after },
        ...(tenantId ? { tenantId } : {}),
      };
      const rows = await this.database.raw.backup.findMany({ where, orderBy: { id: 'asc' }, take: BATCH });
      yield* rows;
      if (rows.length < BATCH) return;
      after = rows.at(-1)!.id;
    }
  }

  /** A store that is away is no finding about a backup, and thrown. */
  async #check(row: BackupRow, signal: AbortSignal): Promise<BadBackup | undefined> {
    try {
      await this.archives.check(row, deadline(READ_LIMIT, signal));
      await this.backups.noteVerified(row.id, null);
      return undefined;
    } catch (error) {
      const finding = error instanceof BackupStoreMissing || (error instanceof BackupError && !error.retryable);
      if (!finding) throw error;
      const { code, message } = error;
      await this.backups.noteVerified(row.id, { code, message });
      return { id: row.id, tenantId: row.tenantId, code, message };
    }
  }

  async #straysIn(store: BackupStore['name'], objects: readonly StoredObject[]): Promise<StrayObject[]> {
    const ids = objects.map(({ key }) => backupIdOf(key));
    const where = { id: { in: ids } };
    const rows = await this.database.raw.backup.findMany({ where, select: { id: true, store: true, objectKey: true } });
    const named = new Map(rows.map((row) => [row.id, row]));
    return objects.flatMap(({ key, bytes }) => {
      const row = named.get(backupIdOf(key));
      if (row?.store === store && row.objectKey === key) return [];
      return [{ store, key, bytes, why: row ? ('superseded' as const) : ('unknown' as const) }];
    });
  }
}

/** See `prefixOf`: tenant/agent/backup.attempt... */
const backupIdOf = (key: string): string => key.split('/').at(-1)!.split('.')[0]!;
