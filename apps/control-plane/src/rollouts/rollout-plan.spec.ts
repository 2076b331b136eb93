import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canaryCount, type PlannedTarget, planRollout, type Situation } from './rollout-plan.js';
import { DEFAULT_POLICY, policyFor, type RolloutPolicy } from './rollout-policy.js';

const NOW = new Date('2026-01-01T12:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1_000);

const fleet = (size: number, canaries: number): PlannedTarget[] =>
  Array.from({ length: size }, (_, at) => ({
    gatewayId: `gw_${String(at).padStart(3, '0')}`,
    canary: at < canaries,
    status: 'pending',
    finishedAt: null,
    hostId: `h${at % 3}`,
    tenantId: `t${at % 7}`,
    free: true,
  }));

const situation = (targets: readonly PlannedTarget[], more: Partial<Situation> = {}): Situation => ({
  policy: { ...DEFAULT_POLICY, soakSeconds: 60 },
  targets,
  underWay: targets.filter(({ status }) => status === 'running'),
  forgiven: 0,
  canariesPassed: false,
  now: NOW,
  ...more,
});

const as = (target: PlannedTarget, status: PlannedTarget['status'], finishedAt: Date | null = null): PlannedTarget => ({
  ...target,
  status,
  finishedAt,
});

describe('the plan of a rollout', () => {
  it('begins with the canaries alone', () => {
    expect(planRollout(situation(fleet(40, 2)))).toEqual({ kind: 'start', gatewayIds: ['gw_000', 'gw_001'] });
  });

  it('waits for canaries that are under way, and lets them soak', () => {
    const [first, ...rest] = fleet(10, 1);
    expect(planRollout(situation([as(first!, 'running'), ...rest]))).toEqual({ kind: 'wait' });
    expect(planRollout(situation([as(first!, 'succeeded', ago(59)), ...rest]))).toEqual({ kind: 'wait' });
    expect(planRollout(situation([as(first!, 'succeeded', ago(60)), ...rest]))).toEqual({ kind: 'canaries-passed' });
  });

  it.each(['failed', 'rolled-back'] as const)('pauses when a canary is %s', (status) => {
    const [first, ...rest] = fleet(10, 1);
    expect(planRollout(situation([as(first!, status, ago(1)), ...rest]))).toMatchObject({
      kind: 'pause',
      reason: expect.stringContaining('1 of 1') as string,
    });
  });

  it('goes on after failures that somebody has seen, until there is another', () => {
    const [a, b, ...rest] = fleet(10, 0);
    const one = [as(a!, 'failed', ago(100)), b!, ...rest];
    expect(planRollout(situation(one, { forgiven: 1, canariesPassed: true })).kind).toBe('start');
    const two = [as(a!, 'failed', ago(100)), as(b!, 'failed', ago(100)), ...rest];
    expect(planRollout(situation(two, { forgiven: 1, canariesPassed: true })).kind).toBe('pause');
  });

  it('pauses at a share of failures though their number is allowed', () => {
    const policy = { ...DEFAULT_POLICY, maxFailures: 100, maxFailureShare: 0.1 };
    const ended = fleet(30, 0).map((target, at) => as(target, at < 3 ? 'failed' : 'succeeded', ago(1_000)));
    expect(planRollout(situation(ended.slice(0, 19), { policy, canariesPassed: true })).kind).toBe('done');
    expect(planRollout(situation(ended.slice(0, 29), { policy, canariesPassed: true })).kind).toBe('pause');
    expect(planRollout(situation(ended, { policy, canariesPassed: true })).kind).toBe('done');
  });

  it('soaks between batches, and is done only after the last one has', () => {
    const policy = {
      ...DEFAULT_POLICY,
      batch: 0.5,
      soakSeconds: 60,
      maxUnavailable: 9,
      maxPerHost: 9,
      maxPerTenant: 9,
    };
    const half = (age: number) =>
      fleet(4, 0).map((target, at) => (at < 2 ? as(target, 'succeeded', ago(age)) : target));
    const more = { policy, canariesPassed: true };
    expect(planRollout(situation(half(30), more))).toEqual({ kind: 'wait' });
    expect(planRollout(situation(half(60), more))).toEqual({ kind: 'start', gatewayIds: ['gw_002', 'gw_003'] });
    const all = (age: number) => fleet(4, 0).map((target) => as(target, 'succeeded', ago(age)));
    expect(planRollout(situation(all(30), more))).toEqual({ kind: 'wait' });
    expect(planRollout(situation(all(60), more))).toEqual({ kind: 'done' });
  });

  it('passes over gateways that are on their way somewhere, and comes back to them', () => {
    const [a, b] = fleet(2, 0);
    const more = { canariesPassed: true, policy: { ...DEFAULT_POLICY, batch: 1, maxPerTenant: 9, maxPerHost: 9 } };
    expect(planRollout(situation([{ ...a!, free: false }, b!], more))).toEqual({
      kind: 'start',
      gatewayIds: [b!.gatewayId],
    });
    expect(planRollout(situation([{ ...a!, free: false }, as(b!, 'succeeded', ago(999))], more)).kind).toBe('wait');
  });

  it('is quick with a handful and careful with a fleet', () => {
    expect(policyFor(5)).toMatchObject({ soakSeconds: 0, canary: 0, maxUnavailable: 5 });
    expect(policyFor(6)).toEqual(DEFAULT_POLICY);
    expect(canaryCount(DEFAULT_POLICY, 6)).toBe(1);
    expect(canaryCount(DEFAULT_POLICY, 100)).toBe(5);
    expect(canaryCount(policyFor(3), 3)).toBe(0);
  });

  const policies: fc.Arbitrary<RolloutPolicy> = fc.record({
    canary: fc.double({ min: 0, max: 1, noNaN: true }),
    batch: fc.double({ min: 0, max: 1, noNaN: true }),
    maxUnavailable: fc.integer({ min: 1, max: 9 }),
    maxPerHost: fc.integer({ min: 1, max: 9 }),
    maxPerTenant: fc.integer({ min: 1, max: 9 }),
    maxFailures: fc.integer({ min: 1, max: 5 }),
    maxFailureShare: fc.constant(1),
    soakSeconds: fc.integer({ min: 0, max: 100 }),
    verifySeconds: fc.constant(2),
  });

  it('never touches more than it may, stops at the breaker, and comes to its end otherwise', () => {
    const sizes = fc.integer({ min: 0, max: 40 });
    const broken = fc.array(fc.boolean(), { maxLength: 40 });
    fc.assert(
      fc.property(policies, sizes, broken, (policy, size, bad) => {
        expect(simulate(policy, size, bad)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

const group = (targets: readonly PlannedTarget[], key: 'hostId' | 'tenantId'): number =>
  Math.max(0, ...Object.values(Object.groupBy(targets, (target) => target[key]!)).map((each) => each!.length));

/** What is wrong with what is under way at a moment. */
function tooMuch(targets: readonly PlannedTarget[], policy: RolloutPolicy): string[] {
  const running = targets.filter(({ status }) => status === 'running');
  const early = targets.some(({ canary, status }) => canary && (status === 'pending' || status === 'running'));
  return [
    ...(running.length > policy.maxUnavailable ? ['too many at once'] : []),
    ...(group(running, 'hostId') > policy.maxPerHost ? ['too many of a host'] : []),
    ...(group(running, 'tenantId') > policy.maxPerTenant ? ['too many of a tenant'] : []),
    ...(early && running.some(({ canary }) => !canary) ? ['the rest before the canaries'] : []),
  ];
}

/** A whole rollout, in which those of `bad` fail. Returns what went wrong. */
function simulate(policy: RolloutPolicy, size: number, bad: readonly boolean[]): string[] {
  let targets = fleet(size, canaryCount(policy, size));
  let canariesPassed = false;
  for (let round = 1; round < 400; round += 1) {
    const now = new Date(NOW.getTime() + round * 30_000);
    const plan = planRollout(situation(targets, { policy, canariesPassed, now }));
    if (plan.kind === 'done') return targets.some(({ status }) => status === 'pending') ? ['some were left out'] : [];
    if (plan.kind === 'pause') {
      // Those under way when one failed may fail too, and no other.
      const failed = targets.filter(({ status }) => status === 'failed').length;
      return failed < policy.maxFailures + policy.maxUnavailable ? [] : ['it paused too late'];
    }
    if (plan.kind === 'canaries-passed') canariesPassed = true;
    if (plan.kind === 'start') {
      const { gatewayIds } = plan;
      targets = targets.map((target) => (gatewayIds.includes(target.gatewayId) ? as(target, 'running') : target));
      const wrong = tooMuch(targets, policy);
      if (wrong.length > 0) return wrong;
      continue;
    }
    targets = targets.map((target, at) =>
      target.status === 'running' ? as(target, bad[at] ? 'failed' : 'succeeded', now) : target,
    );
  }
  return ['it comes to no end'];
}
