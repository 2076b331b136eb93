import { InvalidRequest } from '../http/http.errors.js';

const DAY_MS = 86_400_000;
/** Most days of one answer. */
const MOST_DAYS = 400;
const USUAL_DAYS = 30;

/** Days, UTC, both included. */
export interface UsageRange {
  readonly from: string;
  readonly to: string;
}

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** What was asked for, with the gaps filled; throws InvalidRequest for days that do not exist and ranges that are no range. */
export function usageRange(asked: { from?: string; to?: string }, now: Date): UsageRange {
  const to = asked.to ?? dayOf(now.getTime());
  const end = timeOf('to', to);
  const from = asked.from ?? dayOf(end - (USUAL_DAYS - 1) * DAY_MS);
  const begin = timeOf('from', from);
  if (begin > end) throw new InvalidRequest([{ field: 'from', message: 'from must not be after to' }]);
  if (end - begin >= MOST_DAYS * DAY_MS)
    throw new InvalidRequest([{ field: 'from', message: `from and to may be at most ${MOST_DAYS} days apart` }]);
  return { from, to };
}

function timeOf(field: string, day: string): number {
  const at = Date.parse(`${day}T00:00:00Z`);
  // 2026-02-30 is read as 2 March.
  if (Number.isFinite(at) && dayOf(at) === day) return at;
  throw new InvalidRequest([{ field, message: `${field} is not a day of the calendar` }]);
}
