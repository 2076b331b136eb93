import type { BackupKind } from './backup-kinds.js';
import type { BackupRow } from './backup-rows.js';
import type { StoredManifest } from './backups.repository.js';

export interface BackupView {
  readonly id: string;
  readonly agentId: string;
  readonly kind: BackupKind;
  readonly status: 'pending' | 'running' | 'succeeded' | 'failed' | 'deleting';
  /** What it waits for, why it failed, or what was found wrong with it since. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Of the encrypted object, and its SHA-256. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** What is in it. */
  readonly content: { readonly files: number; readonly bytes: number; readonly at: string } | null;
  /** The gateway software that wrote it. */
  readonly version: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  /** Deleted after; null: kept until somebody deletes it. The last good one of an agent stays anyhow. */
  readonly expiresAt: string | null;
  /** When all of it was last read and found right. */
  readonly verifiedAt: string | null;
}

export interface AdminBackupView extends BackupView {
  readonly tenantId: string;
  readonly memberId: string;
  readonly gatewayId: string | null;
  readonly store: string;
}

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

export function toBackupView(row: BackupRow): BackupView {
  const manifest = row.manifest as unknown as StoredManifest | null;
  return {
    id: row.id,
    agentId: row.agentId,
    kind: row.kind as BackupKind,
    status: row.status as BackupView['status'],
    error: (row.error ?? null) as BackupView['error'],
    bytes: row.bytes === null ? null : Number(row.bytes),
    sha256: row.sha256,
    content: manifest && { files: manifest.files, bytes: manifest.bytes, at: manifest.createdAt },
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    finishedAt: iso(row.finishedAt),
    expiresAt: iso(row.expiresAt),
    verifiedAt: iso(row.verifiedAt),
  };
}

export const toAdminBackupView = (row: BackupRow): AdminBackupView => ({
  ...toBackupView(row),
  tenantId: row.tenantId,
  memberId: row.memberId,
  gatewayId: row.gatewayId,
  store: row.store,
});
