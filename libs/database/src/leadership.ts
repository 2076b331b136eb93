import type { Database, Tx } from './database.js';

/** Work that one process does for all of them. `fence` rises with every change of hands. */
export interface Leadership {
  readonly duty: string;
  readonly owner: string;
  readonly fence: bigint;
}

/** The duty has gone to another process: what this one was about to write is old. */
export class LeadershipLost extends Error {
  constructor(duty: string) {
    super(`another process does "${duty}" now`);
  }
}

/**
 * Takes or renews a duty for `seconds`; undefined while another process has it. `owner` names this process and no other,
 * also not a later one of the same name: a process that was frozen and wakes up is found out by its fence.
 */
export async function takeLeadership(
  database: Database,
  duty: string,
  owner: string,
  seconds: number,
): Promise<Leadership | undefined> {
  const rows = await database.raw.$queryRaw<{ fence: bigint }[]>`
    INSERT INTO leaderships (duty, owner, fence, until) VALUES (${duty}, ${owner}, 1, now() + make_interval(secs => ${seconds}))
    ON CONFLICT (duty) DO UPDATE
      SET owner = excluded.owner, until = excluded.until,
        fence = leaderships.fence + CASE WHEN leaderships.owner = excluded.owner THEN 0 ELSE 1 END
      WHERE leaderships.owner = excluded.owner OR leaderships.until < now()
    RETURNING fence`;
  return rows[0] ? { duty, owner, fence: rows[0].fence } : undefined;
}

/** Holds the duty until the transaction ends, so that nobody takes it over meanwhile. Throws LeadershipLost. */
export async function assertLeadership(tx: Tx, leadership: Leadership): Promise<void> {
  const { duty, owner, fence } = leadership;
  const rows = await tx.$queryRaw<object[]>`
    SELECT 1 FROM leaderships WHERE duty = ${duty} AND owner = ${owner} AND fence = ${fence} FOR SHARE`;
  if (rows.length === 0) throw new LeadershipLost(duty);
}

/** At a stop in order: others need not wait for the time to run out. */
export async function dropLeaderships(database: Database, owner: string): Promise<void> {
  await database.raw.$executeRaw`UPDATE leaderships SET until = now() WHERE owner = ${owner}`;
}
