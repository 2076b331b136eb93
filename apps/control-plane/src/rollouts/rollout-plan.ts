import type { RolloutPolicy, TargetStatus } from './rollout-policy.js';

export interface Place {
  readonly hostId: string;
  readonly tenantId: string | null;
}

export interface PlannedTarget extends Place {
  readonly gatewayId: string;
  readonly canary: boolean;
  readonly status: TargetStatus;
  readonly finishedAt: Date | null;
  /** Its upgrade can begin now; otherwise it is on its way somewhere and is waited for. */
  readonly free: boolean;
}

export interface Situation {
  readonly policy: RolloutPolicy;
  readonly targets: readonly PlannedTarget[];
  /** Every gateway that is being upgraded at the moment, by whichever rollout. */
  readonly underWay: readonly Place[];
  /** Failures that somebody has looked at and resumed it after. */
  readonly forgiven: number;
  readonly canariesPassed: boolean;
  readonly now: Date;
}

export type Plan =
  | { readonly kind: 'start'; readonly gatewayIds: readonly string[] }
  | { readonly kind: 'canaries-passed' }
  | { readonly kind: 'pause'; readonly reason: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'wait' };

const WAIT: Plan = { kind: 'wait' };
/** A share says nothing of fewer. */
const SHARE_OF_AT_LEAST = 20;
const FAILED: readonly TargetStatus[] = ['failed', 'rolled-back'];

/** The one next thing of a running rollout. Decides nothing by itself: the same situation always gives the same plan. */
export function planRollout(situation: Situation): Plan {
  const { targets, canariesPassed } = situation;
  const reason = breaker(situation);
  if (reason) return { kind: 'pause', reason };
  const canaries = targets.filter((target) => target.canary);
  if (!canariesPassed) return planCanaries(situation, canaries);
  const rest = targets.filter((target) => !target.canary);
  const waiting = rest.filter(({ status }) => status === 'pending');
  if (waiting.length === 0) return runs(targets) || !hasSoaked(situation, targets) ? WAIT : { kind: 'done' };
  const size = Math.max(1, Math.ceil(situation.policy.batch * rest.length));
  const begun = rest.length - waiting.length;
  const atBoundary = begun % size === 0;
  if (atBoundary && (runs(targets) || !hasSoaked(situation, targets))) return WAIT;
  return start(situation, waiting, size - (begun % size));
}

/** Of these the first share goes first, one at least. */
export const canaryCount = (policy: RolloutPolicy, fleet: number): number =>
  policy.canary === 0 || fleet === 0 ? 0 : Math.min(fleet, Math.max(1, Math.ceil(policy.canary * fleet)));

/** Those of the waiting that may begin, within every bound. */
export function choose(
  situation: Pick<Situation, 'policy' | 'underWay'>,
  waiting: readonly PlannedTarget[],
  most: number,
): string[] {
  const { maxUnavailable, maxPerHost, maxPerTenant } = situation.policy;
  const taken: Place[] = [...situation.underWay];
  const chosen: string[] = [];
  const count = (matches: (place: Place) => boolean): number => taken.filter(matches).length;
  for (const target of waiting) {
    if (chosen.length >= most || taken.length >= maxUnavailable) break;
    if (!target.free || count(({ hostId }) => hostId === target.hostId) >= maxPerHost) continue;
    if (target.tenantId && count(({ tenantId }) => tenantId === target.tenantId) >= maxPerTenant) continue;
    taken.push(target);
    chosen.push(target.gatewayId);
  }
  return chosen;
}

function planCanaries(situation: Situation, canaries: readonly PlannedTarget[]): Plan {
  const waiting = canaries.filter(({ status }) => status === 'pending');
  if (waiting.length > 0) return start(situation, waiting, waiting.length);
  return runs(canaries) || !hasSoaked(situation, canaries) ? WAIT : { kind: 'canaries-passed' };
}

function start(situation: Situation, waiting: readonly PlannedTarget[], most: number): Plan {
  const gatewayIds = choose(situation, waiting, most);
  return gatewayIds.length > 0 ? { kind: 'start', gatewayIds } : WAIT;
}

const runs = (targets: readonly PlannedTarget[]): boolean => targets.some(({ status }) => status === 'running');

function hasSoaked({ policy, now }: Situation, targets: readonly PlannedTarget[]): boolean {
  const upgraded = targets.filter(({ status }) => status === 'succeeded');
  const last = Math.max(0, ...upgraded.map(({ finishedAt }) => finishedAt?.getTime() ?? 0));
  return now.getTime() - last >= policy.soakSeconds * 1_000;
}

/** Why it must not go on; undefined when it may. */
function breaker({ policy, targets, forgiven }: Situation): string | undefined {
  const failed = targets.filter(({ status }) => FAILED.includes(status)).length - forgiven;
  const ended = targets.filter(({ status }) => FAILED.includes(status) || status === 'succeeded').length;
  if (failed <= 0) return undefined;
  if (failed >= policy.maxFailures) return `${failed} of ${ended} upgrades failed; it pauses at ${policy.maxFailures}.`;
  const share = failed / ended;
  return ended >= SHARE_OF_AT_LEAST && share > policy.maxFailureShare
    ? `${failed} of ${ended} upgrades failed, more than the share of ${policy.maxFailureShare} at which it pauses.`
    : undefined;
}
