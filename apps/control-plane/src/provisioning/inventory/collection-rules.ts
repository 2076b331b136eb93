import type { Sighting, StrayReason } from './comparison.js';
import type { HostSurvey } from './host-survey.js';

/** What becomes of something that the rows do not explain. `wait`: not yet. `report`: a person decides. */
export type Verdict = 'wait' | 'report' | 'quarantine' | 'collect';

export interface Stray {
  readonly reason: StrayReason;
  readonly state: string;
  readonly sightings: number;
  readonly firstSeen: Date;
  /** When it was stopped; null: it was not. */
  readonly quarantinedAt: Date | null;
  /** Every transaction that ran when it was first seen has ended: none can still be inserting its row. */
  readonly settled: boolean;
  /** A person said that it may go, although there is so much of it. */
  readonly confirmed: boolean;
}

export interface Patience {
  /** Rounds in a row that saw it. */
  readonly sightings: number;
  readonly graceMs: number;
  /** For what may be somebody's data. */
  readonly keepMs: number;
}

/** How many strays there may be on a host before it looks as if the rows were missing, not the gateways. */
export interface Bound {
  readonly strays: number;
  readonly total: number;
  /** The database knows no gateway at all. */
  readonly databaseEmpty: boolean;
}

/** That few are never suspicious; of more, this share is. */
const FEW = 3;
const SHARE = 0.1;

/**
 * True when so much is unknown that the rows are more likely to be wrong than the host: an empty or restored database, a
 * read that lost something. Nothing is touched then unless a person says so.
 */
export const isSuspicious = ({ strays, total, databaseEmpty }: Bound): boolean =>
  strays > 0 && (databaseEmpty || strays > Math.max(FEW, Math.floor(total * SHARE)));

/** What to do with one of them now. */
export function verdictOn(stray: Stray, suspicious: boolean, patience: Patience, now: Date): Verdict {
  if (stray.state === 'ignored' || stray.reason === 'gateway-on-other-host') return 'report';
  if (suspicious && !stray.confirmed) return 'report';
  if (stray.sightings < patience.sightings || !stray.settled) return 'wait';
  const age = now.getTime() - stray.firstSeen.getTime();
  switch (stray.reason) {
    case 'unknown-gateway':
      if (!stray.quarantinedAt) return 'quarantine';
      return now.getTime() - stray.quarantinedAt.getTime() >= patience.graceMs ? 'collect' : 'wait';
    // Of a deleted gateway too: one on a host that was lost may have more in it than the backup that its agents went on from.
    case 'orphan-folder':
    case 'leftover-folder':
    case 'kept-copy-left':
      return age >= patience.keepMs ? 'collect' : 'wait';
    case 'leftover-gateway':
    case 'orphan-secrets':
      return 'collect';
  }
}

/** Reasons of which there are so many that the rows are to be doubted. Deleted rows are rows: what they say is certain. */
export function suspiciousReasons(
  sightings: readonly Sighting[],
  { gateways, states, secrets }: HostSurvey,
  databaseEmpty: boolean,
): Set<StrayReason> {
  const totals: [StrayReason, number][] = [
    ['unknown-gateway', gateways.length],
    ['orphan-folder', states.length],
    ['orphan-secrets', secrets.length],
  ];
  const suspicious = totals.filter(([reason, total]) => {
    const bound: Bound = { strays: sightings.filter((seen) => seen.reason === reason).length, total, databaseEmpty };
    return isSuspicious(bound);
  });
  return new Set(suspicious.map(([reason]) => reason));
}
