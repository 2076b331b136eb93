import type { Database } from './database.js';

/** Rows that are worked on under a lease: one owner at a time, told apart by a fencing number that only rises. */
export type LeasedTable = 'agents' | 'gateways';

/** `due_at` keeps milliseconds: what was set to now() may lie half a millisecond ahead of it. */
const NOW = "now() + interval '1 millisecond'";

export interface Lease {
  readonly id: string;
  /** Every write under this lease carries it; a later lease's writes win. */
  readonly fence: bigint;
  /** The due time set while it is held; another value at release means that somebody asked for another look meanwhile. */
  readonly dueMark: Date;
  /** How long the row had been due when it was taken, in milliseconds; null when it was not. */
  readonly lateMs: number | null;
}

/**
 * Takes the row for `seconds`, or returns undefined when somebody else holds it or it is gone.
 * One statement: two callers never both succeed. If the holder dies, the row is due again when the lease ends.
 */
export async function takeLease(
  database: Database,
  table: LeasedTable,
  id: string,
  owner: string,
  seconds: number,
): Promise<Lease | undefined> {
  const rows = await database.raw.$queryRawUnsafe<{ fence: bigint; due_at: Date; late: number | null }[]>(
    `WITH free AS (SELECT id, due_at FROM "${table}" WHERE id = $1 AND (lease_until IS NULL OR lease_until < now()) FOR UPDATE SKIP LOCKED)
     UPDATE "${table}" t SET lease_owner = $2, fence = t.fence + 1,
       lease_until = now() + make_interval(secs => $3), due_at = now() + make_interval(secs => $3)
     FROM free WHERE t.id = free.id
     RETURNING t.fence, t.due_at, CASE WHEN free.due_at <= now() THEN extract(epoch FROM now() - free.due_at)::double precision * 1000 END AS late`,
    id,
    owner,
    seconds,
  );
  return rows[0] ? { id, fence: rows[0].fence, dueMark: rows[0].due_at, lateMs: rows[0].late } : undefined;
}

/** Extends a lease that is still ours; false means it was lost and the holder must stop. */
export async function renewLease(
  database: Database,
  table: LeasedTable,
  lease: Lease,
  seconds: number,
): Promise<boolean> {
  const count = await database.raw.$executeRawUnsafe(
    `UPDATE "${table}" SET lease_until = now() + make_interval(secs => $3) WHERE id = $1 AND fence = $2`,
    lease.id,
    lease.fence,
    seconds,
  );
  return count === 1;
}

/**
 * Gives the row back, to be looked at again in `dueInMs` (null: only when something changes).
 * Resolves true when somebody asked for another look while it was held: then it is due now.
 */
export async function releaseLease(
  database: Database,
  table: LeasedTable,
  lease: Lease,
  dueInMs: number | null,
): Promise<boolean> {
  const rows = await database.raw.$queryRawUnsafe<{ due: boolean }[]>(
    `UPDATE "${table}" SET lease_owner = NULL, lease_until = NULL,
       due_at = CASE WHEN due_at = $3 THEN now() + make_interval(secs => $4::double precision / 1000) ELSE due_at END
     WHERE id = $1 AND fence = $2
     RETURNING coalesce(due_at <= ${NOW}, false) AS due`,
    lease.id,
    lease.fence,
    lease.dueMark,
    dueInMs,
  );
  return rows[0]?.due ?? false;
}

/** At start: what a former process of the same name held is free at once; nobody else can be that process. */
export async function dropLeases(database: Database, owner: string): Promise<void> {
  for (const table of ['agents', 'gateways'] as const) {
    await database.raw.$executeRawUnsafe(
      `UPDATE "${table}" SET lease_owner = NULL, lease_until = NULL, due_at = now() WHERE lease_owner = $1`,
      owner,
    );
  }
}

/** Ids of rows that want to be looked at and that nobody holds, longest due first. */
export async function dueRows(database: Database, table: LeasedTable, limit: number): Promise<string[]> {
  const rows = await database.raw.$queryRawUnsafe<{ id: string }[]>(
    `SELECT id FROM "${table}" WHERE due_at <= ${NOW} AND (lease_until IS NULL OR lease_until < now()) ORDER BY due_at LIMIT $1`,
    limit,
  );
  return rows.map((row) => row.id);
}
