import { describe, expect, it } from 'vitest';
import { decide, isCalledByJob, isToBeEnded, isWanted, policyOf, restOf, type SleepFacts } from './sleep-policy.js';

const NOW = new Date('2026-05-01T12:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1_000);
const ahead = (seconds: number): Date => ago(-seconds);

const policy = (suspendAfterSeconds: number | null, stopAfterSeconds: number | null = null) => ({
  suspendAfterSeconds,
  stopAfterSeconds,
});
const facts = (over: Partial<SleepFacts> = {}): SleepFacts => ({
  kind: 'dedicated',
  policies: [policy(60)],
  awakeUntil: null,
  restAskedAt: null,
  engaged: null,
  ...over,
});
const idle = (seconds: number, nextJobAt: Date | null = null) => ({ idleSince: ago(seconds), nextJobAt });
const sleeper = (over: object = {}) => ({
  phase: 'paused',
  awakeUntil: null,
  idleSince: ago(100),
  phaseSince: ago(40),
  nextJobAt: null,
  targetImage: null,
  failures: 0,
  ...over,
});

describe('the idle policy of a gateway', () => {
  it('is the most wakeful of the tiers of its agents, for freezing and for ending apart', () => {
    expect(policyOf('shared', [policy(60, 600), policy(30, 900)])).toEqual(policy(60, 900));
    expect(policyOf('shared', [policy(60, 600), policy(null, 900)])).toEqual(policy(null, 900));
    expect(policyOf('shared', [policy(60, 600), {}])).toEqual(policy(null, null));
  });

  it('keeps a shared gateway without agents awake for the next one, and a dedicated one not', () => {
    expect(policyOf('shared', [])).toEqual(policy(null, null));
    expect(policyOf('dedicated', []).suspendAfterSeconds).toBeGreaterThan(0);
  });
});

describe('whether a ready gateway is put to sleep', () => {
  it('waits until it has been idle for as long as the policy says, to the moment', () => {
    expect(decide(facts(), idle(60), NOW)).toEqual({ sleep: true });
    expect(decide(facts(), idle(59), NOW)).toEqual({ sleep: false, lookInMs: 1_000 });
  });

  it('never sleeps while something happens on it, or when the policy says never', () => {
    expect(decide(facts(), { idleSince: null, nextJobAt: null }, NOW)).toEqual({ sleep: false, lookInMs: null });
    expect(decide(facts({ policies: [policy(null)] }), idle(9e6), NOW)).toEqual({ sleep: false, lookInMs: null });
  });

  it.each(['agent-change', 'operation', 'backup', 'upgrade'] as const)('stays awake for an %s', (engaged) => {
    const restAskedAt = ago(1);
    expect(decide(facts({ engaged, restAskedAt }), idle(9e6), NOW)).toEqual({ sleep: false, lookInMs: null });
  });

  it('stays awake as long as somebody wants it awake', () => {
    expect(decide(facts({ awakeUntil: ahead(7) }), idle(600), NOW)).toEqual({ sleep: false, lookInMs: 7_000 });
    expect(decide(facts({ awakeUntil: ago(1) }), idle(600), NOW)).toEqual({ sleep: true });
  });

  it('stays awake for a job within two minutes and sleeps before a later one', () => {
    expect(decide(facts(), idle(600, ahead(119)), NOW)).toEqual({ sleep: false, lookInMs: null });
    expect(decide(facts(), idle(600, ahead(120)), NOW)).toEqual({ sleep: true });
    expect(decide(facts(), idle(600, ago(5)), NOW)).toEqual({ sleep: false, lookInMs: null });
  });

  it('sleeps at once when a person asked for it, whatever the tier says, but only when idle', () => {
    const asked = facts({ policies: [policy(null)], restAskedAt: ago(1) });
    expect(decide(asked, idle(0), NOW)).toEqual({ sleep: true });
    expect(decide(asked, { idleSince: null, nextJobAt: null }, NOW)).toMatchObject({ sleep: false });
  });

  it('sleeps for a policy that only ends gateways too', () => {
    expect(decide(facts({ policies: [policy(null, 300)] }), idle(300), NOW)).toEqual({ sleep: true });
  });
});

describe('a gateway that sleeps', () => {
  it('is wanted while a wish holds, a job calls, or something failed', () => {
    expect(isWanted(sleeper(), NOW)).toBe(false);
    expect(isWanted(sleeper({ awakeUntil: ago(1) }), NOW)).toBe(false);
    expect(isWanted(sleeper({ awakeUntil: ahead(1) }), NOW)).toBe(true);
    expect(isWanted(sleeper({ failures: 1 }), NOW)).toBe(true);
    expect(isWanted(sleeper({ targetImage: 'next' }), NOW)).toBe(true);
    expect(isWanted(sleeper({ targetImage: 'next', phase: 'suspended' }), NOW)).toBe(false);
    expect(isWanted(sleeper({ nextJobAt: ahead(5) }), NOW)).toBe(true);
    expect(isWanted(sleeper({ nextJobAt: ahead(6) }), NOW)).toBe(false);
  });

  it('is called earlier for a job when it has to start first', () => {
    expect(isCalledByJob(sleeper({ nextJobAt: ahead(20) }), NOW)).toBe(false);
    expect(isCalledByJob(sleeper({ phase: 'suspended', nextJobAt: ahead(20) }), NOW)).toBe(true);
    expect(isCalledByJob(sleeper({ awakeUntil: ahead(9) }), NOW)).toBe(false);
  });

  it('is ended once it was idle for that long, but not shortly before a job', () => {
    expect(isToBeEnded(sleeper(), policy(60, 100), NOW)).toBe(true);
    expect(isToBeEnded(sleeper(), policy(60, 101), NOW)).toBe(false);
    expect(isToBeEnded(sleeper(), policy(60), NOW)).toBe(false);
    expect(isToBeEnded(sleeper({ nextJobAt: ahead(100) }), policy(60, 100), NOW)).toBe(false);
    expect(isToBeEnded(sleeper({ idleSince: null }), policy(60, 41), NOW)).toBe(false);
  });

  it('is looked at exactly when something is due, else never', () => {
    expect(restOf(sleeper(), policy(60), NOW)).toBeNull();
    expect(restOf(sleeper(), policy(60, 130), NOW)).toBe(30_000);
    expect(restOf(sleeper({ nextJobAt: ahead(25) }), policy(60, 130), NOW)).toBe(20_000);
    expect(restOf(sleeper({ phase: 'suspended', nextJobAt: ahead(25) }), policy(60, 130), NOW)).toBe(5_000);
    expect(restOf(sleeper({ phase: 'suspended' }), policy(60, 130), NOW)).toBeNull();
    expect(restOf(sleeper(), policy(60, 10), NOW)).toBe(0);
    expect(restOf(sleeper({ nextJobAt: ahead(100) }), policy(60, 10), NOW)).toBe(95_000);
  });
});
