import { LocalBackupStore } from './local-store.js';
import type { S3Options } from './s3-store.js';
import type { BackupStore } from './store.js';

export type { S3Options } from './s3-store.js';

export const openLocalStore = (directory: string, keepFreeBytes: number): BackupStore =>
  new LocalBackupStore(directory, keepFreeBytes);

/** The S3 client is loaded when it is needed: most installations never do. */
export async function openS3Store(options: S3Options): Promise<BackupStore> {
  const { S3BackupStore } = await import('./s3-store.js');
  return new S3BackupStore(options);
}
