import type { TierResources } from '#libs/trust';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** What a gateway is given at its start. One of another memory cannot be made of it: its heap's limit is set by then. */
export type WarmKind = Pick<TierResources, 'cpus' | 'memoryMb' | 'pids'>;

/** Hours of the week with another size. Ends before `to`; over midnight when `to` is not after `from`. */
export interface WarmWindow {
  readonly days: readonly Weekday[];
  /** HH:MM on the clock of `timeZone`. */
  readonly from: string;
  readonly to: string;
  readonly size: number;
}

/** What operators decide about gateways that are made ahead. */
export interface WarmPoolSettings {
  /** Of each kind, on each host, outside the schedule's hours. 0: none are made. */
  readonly size: number;
  /** Of all kinds together. */
  readonly maxPerHost: number;
  /** IANA name; the schedule is read in it. */
  readonly timeZone: string;
  /** The first window that fits counts. */
  readonly schedule: readonly WarmWindow[];
  /** Null: the resources of tiers with dedicated gateways, those with most members first. */
  readonly kinds: readonly WarmKind[] | null;
  /** None is made when less of the host's memory would be left. */
  readonly memoryHeadroomMb: number;
  /** After so many failures in a row nothing more is tried until the image or a setting changes. */
  readonly maxFailures: number;
  /** An older one is replaced. */
  readonly ttlHours: number;
  /** None is made before nobody's agent has changed for so long. */
  readonly quietSeconds: number;
}

/** At most so many kinds, when tiers decide. */
export const MOST_KINDS = 4;

export const defaultWarmPool = (size: number): WarmPoolSettings => ({
  size,
  maxPerHost: 4,
  timeZone: 'UTC',
  schedule: [],
  kinds: null,
  memoryHeadroomMb: 1_024,
  maxFailures: 5,
  ttlHours: 24,
  quietSeconds: 10,
});

/** `settings` of the installation as stored; what is missing there is the default. */
export function warmPoolOf(settings: unknown, size: number): WarmPoolSettings {
  const { warmPool } = (settings ?? {}) as { warmPool?: Partial<WarmPoolSettings> };
  return { ...defaultWarmPool(size), ...warmPool };
}
