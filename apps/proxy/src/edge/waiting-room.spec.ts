import type { AgentRoute } from '#libs/contracts';
import { RouteTable } from '#libs/routing';
import { createLogger } from '#libs/telemetry';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { agentRoute, tenantRoute } from '../../test/stack.fixture.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import { WaitingRoom } from './waiting-room.js';

const silent = createLogger({ name: 'test', destination: { write: () => undefined } });
const WAIT = 30_000;

/** A room over a table of its own; the clock stands still unless it is moved on. */
class Lab {
  readonly table = new RouteTable();
  readonly wakes: string[] = [];
  readonly ended: string[] = [];
  /** What the control plane does with a wish. */
  answer: () => Promise<{ status: number; body: unknown }> = async () => ({ status: 202, body: { trouble: null } });
  readonly room = new WaitingRoom(
    this.table,
    {
      post: async (_path, payload) => {
        this.wakes.push((payload as { agentId: string }).agentId);
        return this.answer();
      },
    },
    WAIT,
    silent,
    (outcome) => void this.ended.push(outcome),
  );
  #version = 1;

  constructor(...agents: AgentRoute[]) {
    const tenants = [tenantRoute('acme'), tenantRoute('other')];
    this.table.apply({
      type: 'snapshot',
      epoch: 'e',
      version: 1,
      issuer: 'i',
      jwks: { keys: [] },
      tenants,
      agents,
      revocations: [],
      providerKeys: [],
    });
  }

  tell(...upsert: AgentRoute[]): void {
    const from = this.#version;
    this.#version += 1;
    this.table.apply({ type: 'delta', from, version: this.#version, agents: { upsert, remove: [] } });
    this.room.review();
  }

  wait(agent: AgentRoute, over: Partial<Parameters<WaitingRoom['wait']>[1]> = {}): Promise<string> {
    const visit = { since: performance.now(), left: new AbortController().signal, ...over };
    return this.room.wait(agent, visit).then(
      () => 'go',
      (problem: { code: string; reason?: string }) => [problem.code, problem.reason].filter(Boolean).join(' '),
    );
  }
}

const route = (state: AgentRoute['state'], name = 'a', over: Partial<AgentRoute> = {}) =>
  agentRoute(name, 'acme', 1, { state, ...over });

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('the waiting room', () => {
  it('lets go on at once what is live, or gone', async () => {
    const lab = new Lab(route('live'));
    expect(await lab.wait(route('live'))).toBe('go');
    expect(await lab.wait(route('live', 'nobody'))).toBe('go');
    expect(lab.wakes).toEqual([]);
  });

  it('wakes each gateway once, however many wait for however many of its agents', async () => {
    const [a, b] = [route('asleep', 'a'), route('asleep', 'b')];
    const other = route('asleep', 'c', { gatewayId: 'gw_other' });
    const lab = new Lab(a, b, other);
    const waits = [a, a, b, b, other].map((agent) => lab.wait(agent));
    await vi.advanceTimersByTimeAsync(100);
    expect(lab.wakes).toEqual([a.agentId, other.agentId]);
    lab.tell(route('live', 'a'), route('live', 'b'), { ...other, state: 'live' });
    expect(await Promise.all(waits)).toEqual(Array(5).fill('go'));
    await vi.advanceTimersByTimeAsync(WAIT);
    expect([lab.wakes.length, lab.room.size]).toEqual([2, 0]);
  });

  it('keeps the wish alive while somebody waits, and says in the end what was in the way', async () => {
    const lab = new Lab(route('asleep'));
    lab.answer = async () => ({ status: 202, body: { trouble: 'engine-unreachable' } });
    const wait = lab.wait(route('asleep'));
    await vi.advanceTimersByTimeAsync(WAIT);
    expect(await wait).toBe('agent-waking engine-unreachable');
    expect(lab.wakes.length).toBe(WAIT / TIMES.wakeRepeat);
    expect(lab.ended).toEqual(['timeout']);
  });

  it('keeps nobody waiting for a control plane that stays away', async () => {
    const lab = new Lab(route('asleep'));
    lab.answer = () => Promise.reject(new Error('connect ECONNREFUSED'));
    const began = performance.now();
    const wait = lab.wait(route('asleep'));
    await vi.advanceTimersByTimeAsync(WAIT);
    expect(await wait).toBe('wake-unavailable');
    expect(performance.now() - began).toBe(WAIT);
    expect(lab.ended).toEqual(['given-up']);
    const tries = lab.wakes.length;
    await vi.advanceTimersByTimeAsync(WAIT);
    expect(lab.wakes.length).toBe(tries);
  });

  it('waits for a short time only while an agent moves, and wakes nobody', async () => {
    const lab = new Lab(route('held'));
    const wait = lab.wait(route('held'));
    await vi.advanceTimersByTimeAsync(TIMES.heldRoute - 1);
    expect(lab.room.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await wait).toBe('agent-moving');
    expect(lab.wakes).toEqual([]);
  });

  it('counts the time from the first wait, through every change of the route', async () => {
    const lab = new Lab(route('asleep'));
    const since = performance.now();
    const first = lab.wait(route('asleep'), { since });
    await vi.advanceTimersByTimeAsync(WAIT - 1_000);
    lab.tell(route('asleep', 'a', { tierKey: 'other' }));
    expect(await first).toBe('go');
    const second = lab.wait(route('asleep'), { since });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await second).toBe('agent-waking');
    expect(await lab.wait(route('asleep'), { since })).toBe('agent-waking');
  });

  it('tries a gateway again that declined without news of why', async () => {
    const lab = new Lab(route('live'));
    const refused = { route: lab.table.agent(route('live').agentId)!, because: 'asleep' } as const;
    const wait = lab.wait(route('live'), { refused });
    await vi.advanceTimersByTimeAsync(TIMES.refusedRetry);
    expect(await wait).toBe('go');
    expect(lab.wakes).toEqual([route('live').agentId]);
  });

  it('holds no more than its limits: of an agent, of a tenant, altogether', async () => {
    const agents = Array.from({ length: 40 }, (_, n) => route('asleep', `n${n}`, { gatewayId: `gw_${n}` }));
    const strangers = Array.from({ length: 40 }, (_, n) =>
      agentRoute(`s${n}`, n % 4 === 0 ? 'other' : `t${n % 4}`, 1, { state: 'asleep', gatewayId: `gw_s${n}` }),
    );
    const lab = new Lab(...agents, ...strangers);
    const outcomes: string[] = [];
    const fill = (agent: AgentRoute, count: number) => {
      for (let n = 0; n < count; n += 1) void lab.wait(agent).then((outcome) => outcomes.push(outcome));
    };
    fill(agents[0]!, LIMITS.waitingPerAgent + 1);
    expect(lab.room.size).toBe(LIMITS.waitingPerAgent);
    for (const agent of agents) fill(agent, LIMITS.waitingPerAgent);
    expect(lab.room.size).toBe(LIMITS.waitingPerTenant);
    for (const agent of strangers) fill(agent, LIMITS.waitingPerAgent);
    expect(lab.room.size).toBe(LIMITS.waiting);
    await vi.advanceTimersByTimeAsync(0);
    expect(new Set(outcomes)).toEqual(new Set(['agent-waking']));
  });

  it('keeps places for members however many wait without a token', async () => {
    const agents = Array.from({ length: 40 }, (_, n) => route('asleep', `n${n}`, { gatewayId: `gw_${n}` }));
    const lab = new Lab(...agents);
    const leave = new AbortController();
    const fill = (agent: AgentRoute) => {
      for (let n = 0; n < LIMITS.waitingPerAgent; n += 1) void lab.wait(agent, { unknown: true, left: leave.signal });
    };
    fill(agents[0]!);
    expect(lab.room.size).toBe(LIMITS.waitingPerAgent * LIMITS.waitingUnknownShare);
    for (const agent of agents) fill(agent);
    const share = LIMITS.waitingPerTenant * LIMITS.waitingUnknownShare;
    expect(lab.room.size).toBe(share);
    for (let n = 0; n < 10; n += 1) void lab.wait(agents[0]!, { left: leave.signal });
    expect(lab.room.size).toBe(share + 10);
    leave.abort();
    expect(lab.room.size).toBe(0);
    fill(agents[1]!);
    expect(lab.room.size).toBe(0);
    void lab.wait(agents[1]!, { unknown: true });
    expect(lab.room.size).toBe(1);
  });

  it('frees the place of who leaves, and stops waking when nobody is left', async () => {
    const lab = new Lab(route('asleep'));
    const gone = new AbortController();
    const wait = lab.wait(route('asleep'), { left: gone.signal });
    await vi.advanceTimersByTimeAsync(0);
    gone.abort();
    await wait;
    expect([lab.room.size, lab.ended]).toEqual([0, ['left']]);
    await vi.advanceTimersByTimeAsync(WAIT);
    expect(lab.wakes).toHaveLength(1);
  });

  it('sends everybody elsewhere when it closes, and takes nobody after', async () => {
    const lab = new Lab(route('asleep'));
    const wait = lab.wait(route('asleep'));
    lab.room.close();
    expect(await wait).toBe('agent-waking');
    expect(await lab.wait(route('asleep'))).toBe('agent-waking');
    expect(lab.room.size).toBe(0);
  });
});
