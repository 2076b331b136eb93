import { ManualClock } from '#libs/kernel';
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../limits.js';
import { Activity } from '../load/activity.js';
import { LoopDelay } from '../load/loop-delay.js';
import type { Agent } from './agent.js';
import { occupationOf } from './gateway-status.js';

const clock = new ManualClock();
const delay = new LoopDelay();
const now = clock.now();
const later = (ms: number) => new Date(now.getTime() + ms);
const agent = (nextJobAt: Date | null, undelivered = 0, activeTasks = 0): Agent =>
  ({ agenda: { nextJobAt: () => nextJobAt, undelivered: () => undelivered }, activeTasks }) as unknown as Agent;
const of = (agents: Agent[], resuming = false) =>
  occupationOf(agents, new Activity(clock, clock, delay), resuming, now);
afterEach(() => delay.stop());

describe('what keeps a gateway awake', () => {
  it('is nothing when nobody wants anything', () => {
    expect(of([agent(null)])).toEqual({ busy: [], nextJobAt: null });
  });

  it('is a job that is due soon; one that is due later is told', () => {
    const [soon, far] = [later(LIMITS.jobAhead), later(LIMITS.jobAhead + 1)];
    expect(of([agent(null), agent(far)])).toEqual({ busy: [], nextJobAt: far });
    expect(of([agent(far), agent(soon)])).toEqual({ busy: ['job'], nextJobAt: soon });
    expect(of([agent(later(-5_000))]).busy).toEqual(['job']);
  });

  it('is an answer on its way, a task, and agents that nobody has looked into yet', () => {
    expect(of([agent(null, 1)]).busy).toEqual(['delivery']);
    expect(of([agent(null, 0, 1)]).busy).toEqual(['task']);
    expect(of([], true).busy).toEqual(['task']);
  });
});
