import { Injectable } from '@nestjs/common';
import type { Readable } from 'node:stream';
import {
  checkArchive,
  openArchive,
  openCompressed,
  type OpenedArchive,
  type StoredArchive,
  writeArchive,
  type WrittenArchive,
} from '#libs/backup';
import type { ArchiveManifest } from '#libs/contracts';
import { BackupKeys } from './backup-keys.js';
import { BackupStores } from './backup-stores.js';
import { type BackupRow, prefixOf } from './backup-rows.js';

export interface KeptArchive extends WrittenArchive {
  /** Which key it is encrypted to. */
  readonly keyId: string;
}

/** Backups as objects: written, read, taken away. What it is asked for is a row's; whose it is was decided before. */
@Injectable()
export class BackupArchives {
  constructor(
    private readonly stores: BackupStores,
    private readonly keys: BackupKeys,
  ) {}

  async write(row: BackupRow, tar: Readable, signal: AbortSignal): Promise<KeptArchive> {
    const { id, recipient } = await this.keys.current(row.tenantId);
    const store = await this.stores.of(row.store);
    return { ...(await writeArchive(store, row.objectKey, tar, recipient, signal)), keyId: id };
  }

  /** The tar of a backup that succeeded. Nothing of it counts before `whole` has resolved. */
  async open(row: BackupRow, signal: AbortSignal): Promise<OpenedArchive> {
    return openArchive(await this.stores.of(row.store), await this.#stored(row), signal);
  }

  /** The same as `.tar.zst`, to take home. */
  async openCompressed(row: BackupRow, signal: AbortSignal): Promise<Readable> {
    return openCompressed(await this.stores.of(row.store), await this.#stored(row), signal);
  }

  /** Reads all of it. Throws BackupDamaged, BackupObjectMissing, or that the store is away. */
  async check(row: BackupRow, signal: AbortSignal): Promise<ArchiveManifest> {
    return checkArchive(await this.stores.of(row.store), await this.#stored(row), signal);
  }

  /** Deletes what this attempt has stored, and nothing of any other. */
  async removeAttempt(row: BackupRow, signal: AbortSignal): Promise<void> {
    await (await this.stores.of(row.store)).delete(row.objectKey, signal);
  }

  /** Deletes what attempts at this backup have stored; `except` the one of that key. Returns how many there were. */
  async remove(
    row: Pick<BackupRow, 'id' | 'tenantId' | 'agentId' | 'store'>,
    signal: AbortSignal,
    except?: string,
  ): Promise<number> {
    const store = await this.stores.of(row.store);
    let removed = 0;
    for await (const { key } of store.list(prefixOf(row), signal)) {
      if (key === except) continue;
      await store.delete(key, signal);
      removed += 1;
    }
    return removed;
  }

  async #stored(row: BackupRow): Promise<StoredArchive> {
    const { objectKey: key, bytes, sha256 } = row;
    return { key, bytes: Number(bytes), sha256: sha256 ?? '', identities: await this.keys.identities(row.tenantId) };
  }
}
