/**
 * Why a backup was made, which decides how long it is kept. `export` belongs to a member's export; the `pre-` ones are made
 * before something that may go wrong.
 */
export const BACKUP_KINDS = ['manual', 'scheduled', 'pre-restore', 'pre-upgrade', 'pre-drain', 'export'] as const;
export type BackupKind = (typeof BACKUP_KINDS)[number];

/** Days that each kind is kept; null: until somebody deletes it. */
const KEPT_DAYS: Record<BackupKind, number | null> = {
  manual: null,
  scheduled: 7,
  'pre-restore': 14,
  'pre-upgrade': 14,
  'pre-drain': 14,
  export: 7,
};

/** Minutes after which one that still could not be made has failed. A scheduled one comes again anyhow. */
const GIVE_UP_MINUTES: Record<BackupKind, number> = {
  manual: 15,
  scheduled: 120,
  'pre-restore': 10,
  'pre-upgrade': 10,
  'pre-drain': 10,
  export: 15,
};

const DAY = 86_400_000;

export function expiryOf(kind: BackupKind, from: Date, keepDays?: number): Date | null {
  const days = keepDays ?? KEPT_DAYS[kind];
  return days === null ? null : new Date(from.getTime() + days * DAY);
}

export const isGivenUp = (kind: string, createdAt: Date, now: Date): boolean =>
  now.getTime() - createdAt.getTime() > GIVE_UP_MINUTES[kind as BackupKind] * 60_000;
