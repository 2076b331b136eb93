import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type BackupStore, openLocalStore, openS3Store } from '#libs/backup';
import { ControlPlaneConfig } from '#libs/config';
import { BackupStoreMissing } from './backups.errors.js';

type StoreName = BackupStore['name'];

/** The stores of this installation, opened when they are first needed. */
@Injectable()
export class BackupStores implements OnApplicationShutdown {
  readonly #open = new Map<string, Promise<BackupStore>>();

  constructor(private readonly config: ControlPlaneConfig) {}

  /** Where new backups go. */
  get current(): StoreName {
    return this.config.backups.store;
  }

  /** Throws BackupStoreMissing for one that is not configured (any more). */
  of(name: string): Promise<BackupStore> {
    const known = this.#open.get(name) ?? this.#create(name);
    this.#open.set(name, known);
    return known;
  }

  /** Every one that is configured. */
  all(): Promise<BackupStore[]> {
    const names: StoreName[] = this.config.backups.s3 ? ['local', 's3'] : ['local'];
    return Promise.all(names.map((name) => this.of(name)));
  }

  async onApplicationShutdown(): Promise<void> {
    for (const store of await Promise.allSettled(this.#open.values()))
      if (store.status === 'fulfilled') store.value.close();
  }

  async #create(name: string): Promise<BackupStore> {
    const { directory, keepFreeBytes, s3 } = this.config.backups;
    if (name === 'local') return openLocalStore(directory, keepFreeBytes);
    if (name === 's3' && s3) return openS3Store({ ...s3, credentials: s3.credentials });
    throw new BackupStoreMissing(name);
  }
}
