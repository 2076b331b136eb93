import type { TierIdlePolicy } from '#libs/trust';

/** What keeps a gateway awake although nothing happens on it: the control plane is about to do something with it. */
export type Engagement = 'agent-change' | 'operation' | 'backup' | 'upgrade';

/** What the rows say about a gateway that may sleep. */
export interface SleepFacts {
  readonly kind: string;
  /** Of the tier of each agent that lives on it. */
  readonly policies: readonly Partial<TierIdlePolicy>[];
  /** Not put to sleep before. */
  readonly awakeUntil: Date | null;
  /** A person asked for it to sleep as soon as it can. */
  readonly restAskedAt: Date | null;
  readonly engaged: Engagement | null;
}

/** What a gateway says of itself. */
export interface Idleness {
  /** Since when nothing happens on it; null: something does. */
  readonly idleSince: Date | null;
  /** When a job of its agents is due; null: none. */
  readonly nextJobAt: Date | null;
}

export type SleepDecision =
  | { readonly sleep: true }
  /** `lookInMs`: when it could be time, if nothing happens until then; null: not foreseeable. */
  | { readonly sleep: false; readonly lookInMs: number | null };

/** With a job due within this time it is not worth the trouble, in milliseconds. */
const JOB_NEAR_MS = 120_000;
/** Woken this long before a job is due: a frozen one answers in milliseconds, an ended one has to start. */
const JOB_LEAD_MS = { frozen: 5_000, ended: 20_000 } as const;

const NEVER: TierIdlePolicy = { suspendAfterSeconds: null, stopAfterSeconds: null };
/** A dedicated gateway that no agent lives on any more. */
const EMPTY: TierIdlePolicy = { suspendAfterSeconds: 300, stopAfterSeconds: 3_600 };

const STAY: SleepDecision = { sleep: false, lookInMs: null };

/** The most wakeful of them: who shares a gateway is not put to sleep by a neighbour's tier. */
export function policyOf(kind: string, policies: readonly Partial<TierIdlePolicy>[]): TierIdlePolicy {
  if (policies.length === 0) return kind === 'dedicated' ? EMPTY : NEVER;
  return {
    suspendAfterSeconds: longest(policies.map((policy) => policy.suspendAfterSeconds ?? null)),
    stopAfterSeconds: longest(policies.map((policy) => policy.stopAfterSeconds ?? null)),
  };
}

const longest = (values: readonly (number | null)[]): number | null =>
  values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0);

/** Whether a ready gateway is put to sleep now. */
export function decide(facts: SleepFacts, { idleSince, nextJobAt }: Idleness, now: Date): SleepDecision {
  if (!idleSince || facts.engaged || isNear(nextJobAt, now)) return STAY;
  const after = shortest(policyOf(facts.kind, facts.policies));
  const idleEnough = facts.restAskedAt ? now.getTime() : after === null ? null : idleSince.getTime() + after * 1_000;
  if (idleEnough === null) return STAY;
  const at = Math.max(idleEnough, facts.awakeUntil?.getTime() ?? 0);
  return at <= now.getTime() ? { sleep: true } : { sleep: false, lookInMs: at - now.getTime() };
}

const shortest = ({ suspendAfterSeconds, stopAfterSeconds }: TierIdlePolicy): number | null =>
  suspendAfterSeconds === null || stopAfterSeconds === null
    ? (suspendAfterSeconds ?? stopAfterSeconds)
    : Math.min(suspendAfterSeconds, stopAfterSeconds);

/** A gateway's row while it sleeps. */
export interface Sleeper {
  readonly phase: string;
  readonly awakeUntil: Date | null;
  readonly idleSince: Date | null;
  readonly phaseSince: Date;
  readonly nextJobAt: Date | null;
  /** It is to run this image; null: the one that it has. */
  readonly targetImage: string | null;
  /** Tries to wake it, or to put it to sleep, that failed: it is not left half-way. */
  readonly failures: number;
}

/** Its process has to be awake to be upgraded; one that has ended is upgraded as it lies. */
const FROZEN: readonly string[] = ['suspending', 'paused'];

/** Somebody needs it, a job is due, an upgrade waits for it, or what was begun with it has failed. */
export const isWanted = (row: Sleeper, now: Date): boolean =>
  row.failures > 0 ||
  (row.targetImage !== null && FROZEN.includes(row.phase)) ||
  (row.awakeUntil ?? now) > now ||
  (jobCall(row) ?? Infinity) <= now.getTime();

/** True when a job is the reason to wake it. */
export const isCalledByJob = (row: Sleeper, now: Date): boolean => (jobCall(row) ?? Infinity) <= now.getTime();

/** Idle for so long that its memory is given back too: it is ended instead of frozen. */
export function isToBeEnded(row: Sleeper, { stopAfterSeconds }: TierIdlePolicy, now: Date): boolean {
  if (stopAfterSeconds === null || isNear(row.nextJobAt, now)) return false;
  return endOf(row, stopAfterSeconds) <= now.getTime();
}

/** Until something has to be done with a gateway that sleeps, in milliseconds; null: only when somebody needs it. */
export function restOf(row: Sleeper, { stopAfterSeconds }: TierIdlePolicy, now: Date): number | null {
  const ends = row.phase === 'suspended' || stopAfterSeconds === null ? Infinity : endOf(row, stopAfterSeconds);
  // Too near to a job it is not ended any more: the job calls it.
  const inVain = isNear(row.nextJobAt, new Date(Math.max(ends, now.getTime())));
  const at = Math.min(inVain ? Infinity : ends, jobCall(row) ?? Infinity);
  return at === Infinity ? null : Math.max(0, at - now.getTime());
}

const endOf = (row: Sleeper, stopAfterSeconds: number): number =>
  (row.idleSince ?? row.phaseSince).getTime() + stopAfterSeconds * 1_000;

const jobCall = ({ nextJobAt, phase }: Sleeper): number | null =>
  nextJobAt && nextJobAt.getTime() - (phase === 'suspended' ? JOB_LEAD_MS.ended : JOB_LEAD_MS.frozen);

const isNear = (nextJobAt: Date | null, moment: Date): boolean =>
  nextJobAt !== null && nextJobAt.getTime() - moment.getTime() < JOB_NEAR_MS;
