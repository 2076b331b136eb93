import type { Database } from './database.js';

/** Rows that are worked on under a lease: one owner at a time, told apart by a fencing number that only rises. */
export type LeasedTable = 'agents' | 'gateways';

export interface Lease {
  readonly id: string;
  /** Every write under this lease carries it; a later lease's writes win. */
  readonly fence: bigint;
}

/**
 * Takes the row for `seconds`, or returns undefined when somebody else holds it or it is gone.
 * One statement: two callers never both succeed.
 */
export async function takeLease(
  database: Database,
  table: LeasedTable,
  id: string,
  owner: string,
  seconds: number,
): Promise<Lease | undefined> {
  const rows = await database.raw.$queryRawUnsafe<{ fence: bigint }[]>(
    `UPDATE "${table}" SET lease_owner = $2, lease_until = now() + make_interval(secs => $3), fence = fence + 1
     WHERE id = (SELECT id FROM "${table}" WHERE id = $1 AND (lease_until IS NULL OR lease_until < now()) FOR UPDATE SKIP LOCKED)
     RETURNING fence`,
    id,
    owner,
    seconds,
  );
  return rows[0] ? { id, fence: rows[0].fence } : undefined;
}

/** Extends a lease that is still ours; false means it was lost and the holder must stop. */
export async function renewLease(database: Database, table: LeasedTable, lease: Lease, seconds: number): Promise<boolean> {
  const count = await database.raw.$executeRawUnsafe(
    `UPDATE "${table}" SET lease_until = now() + make_interval(secs => $3) WHERE id = $1 AND fence = $2`,
    lease.id,
    lease.fence,
    seconds,
  );
  return count === 1;
}

/** Gives the row back. `dueInMs` says when it wants to be looked at again; null: only when something changes. */
export async function releaseLease(database: Database, table: LeasedTable, lease: Lease): Promise<void> {
  await database.raw.$executeRawUnsafe(
    `UPDATE "${table}" SET lease_owner = NULL, lease_until = NULL WHERE id = $1 AND fence = $2`,
    lease.id,
    lease.fence,
  );
}

/** At start: what a former process of the same name held is free at once; nobody else can be that process. */
export async function dropLeases(database: Database, owner: string): Promise<void> {
  for (const table of ['agents', 'gateways'] as const) {
    await database.raw.$executeRawUnsafe(
      `UPDATE "${table}" SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1`,
      owner,
    );
  }
}
