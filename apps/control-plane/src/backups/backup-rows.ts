import type { Prisma } from '#libs/database';

export type BackupRow = Prisma.BackupGetPayload<object>;

/** What every object of a backup begins with, whichever attempt made it. */
export const prefixOf = (row: Pick<BackupRow, 'id' | 'tenantId' | 'agentId'>): string =>
  `${row.tenantId}/${row.agentId}/${row.id}.`;
