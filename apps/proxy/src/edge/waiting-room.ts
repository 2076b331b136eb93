import type { AgentRoute } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { ControlPlaneCalls } from './control-plane.calls.js';
import { WakeClient } from './wake.client.js';

/** How a wait ended. */
export type WaitOutcome = 'over' | 'timeout' | 'full' | 'left' | 'given-up';

/** One request or upgrade that cannot go on now; it waits as often as it has to, but not longer altogether. */
export interface Visit {
  /** When it began to wait first, by `performance.now()`. */
  readonly since: number;
  /** What it was sent by, and refused: waiting for that same route would be in vain. */
  readonly refused?: { readonly route: AgentRoute; readonly because: 'asleep' | 'moved' };
  /** Aborts when its client goes away. */
  readonly left: AbortSignal;
  /** It shows no token: a socket may bring it later, and health is anybody's to ask. */
  readonly unknown?: boolean;
}

interface Waiter {
  readonly route: AgentRoute;
  readonly unknown: boolean;
  readonly end: (outcome: WaitOutcome, problem?: ProxyProblem) => void;
}

/**
 * Where requests are until their agent can answer: its gateway is asleep (and is woken), or it moves. Nothing of them is read
 * meanwhile. Bounded by count and time; who leaves frees the place.
 */
export class WaitingRoom {
  /** By agent. */
  readonly #waiters = new Map<string, Set<Waiter>>();
  readonly #perTenant = new Map<string, number>();
  /** Those of them without a token. */
  readonly #unknownPerTenant = new Map<string, number>();
  readonly #wakes: WakeClient;
  #size = 0;
  #unknown = 0;
  #closed = false;

  constructor(
    private readonly table: RouteTable,
    calls: Pick<ControlPlaneCalls, 'post'>,
    private readonly wakeWaitMs: number,
    log: Logger,
    private readonly onEnd: (outcome: WaitOutcome, milliseconds: number) => void = () => undefined,
  ) {
    this.#wakes = new WakeClient(calls, log, (gatewayId, problem) => this.#giveUp(gatewayId, problem));
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves when the agent's route has changed, or may be worth another try: decide again then. Rejects with the problem to answer with. */
  async wait(agent: AgentRoute, visit: Visit): Promise<void> {
    const route = this.table.agent(agent.agentId);
    if (!route || (route.state === 'live' && route !== visit.refused?.route)) return;
    const asleep = route.state === 'asleep' || visit.refused?.because === 'asleep';
    const left = visit.since + (asleep ? this.wakeWaitMs : TIMES.heldRoute) - performance.now();
    const late = () => this.#late(route, asleep);
    if (left <= 0 || this.#closed) throw late();
    const unknown = visit.unknown ?? false;
    if (this.#isFull(route) || (unknown && this.#isFullOfUnknown(route))) {
      this.onEnd('full', 0);
      throw late();
    }
    // The table still says what was refused: the gateway may have stayed awake after all, without news of it.
    const again = route.state === 'live' ? Math.min(left, TIMES.refusedRetry) : left;
    await this.#sit({ route, unknown }, asleep, visit.left, again, () => (again < left ? undefined : late()));
  }

  /** Call it after every change of the table: costs nothing while nobody waits. */
  review(): void {
    for (const [agentId, waiters] of this.#waiters) {
      const route = this.table.agent(agentId);
      for (const waiter of waiters) if (waiter.route !== route) waiter.end('over');
    }
  }

  /** A gateway that fell asleep while something was on its way to it: wakes it, since that will not be answered otherwise. */
  stir(route: AgentRoute): void {
    void this.#wakes.once(route);
  }

  /** The process ends: whoever waits is sent elsewhere. */
  close(): void {
    this.#closed = true;
    for (const waiters of this.#waiters.values())
      for (const waiter of waiters) waiter.end('given-up', this.#late(waiter.route, true));
  }

  #sit(
    { route, unknown }: Omit<Waiter, 'end'>,
    asleep: boolean,
    left: AbortSignal,
    milliseconds: number,
    problem: () => ProxyProblem | undefined,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const began = performance.now();
    const timer = setTimeout(() => {
      const fault = problem();
      waiter.end(fault ? 'timeout' : 'over', fault);
    }, milliseconds);
    const gone = () => waiter.end('left', this.#late(route, asleep));
    const end: Waiter['end'] = (outcome, fault) => {
      if (!this.#remove(waiter)) return;
      clearTimeout(timer);
      left.removeEventListener('abort', gone);
      if (asleep) this.#wakes.leave(route.gatewayId);
      this.onEnd(outcome, performance.now() - began);
      if (fault) reject(fault);
      else resolve();
    };
    const waiter: Waiter = { route, unknown, end };
    this.#add(waiter);
    if (asleep) this.#wakes.join(route);
    left.addEventListener('abort', gone);
    if (left.aborted) gone();
    return promise;
  }

  #giveUp(gatewayId: string, problem: ProxyProblem): void {
    for (const waiters of this.#waiters.values())
      for (const waiter of waiters) if (waiter.route.gatewayId === gatewayId) waiter.end('given-up', problem);
  }

  #late(route: AgentRoute, asleep: boolean): ProxyProblem {
    if (!asleep) return new ProxyProblem('agent-moving');
    return new ProxyProblem('agent-waking', { reason: this.#wakes.troubleOf(route.gatewayId) });
  }

  #isFull({ agentId, tenantId }: AgentRoute): boolean {
    return (
      this.#size >= LIMITS.waiting ||
      (this.#perTenant.get(tenantId) ?? 0) >= LIMITS.waitingPerTenant ||
      (this.#waiters.get(agentId)?.size ?? 0) >= LIMITS.waitingPerAgent
    );
  }

  /** Who knows an agent's name and nothing else keeps none of its members out. */
  #isFullOfUnknown({ agentId, tenantId }: AgentRoute): boolean {
    const share = LIMITS.waitingUnknownShare;
    const ofAgent = [...(this.#waiters.get(agentId) ?? [])].filter(({ unknown }) => unknown).length;
    return (
      this.#unknown >= LIMITS.waiting * share ||
      (this.#unknownPerTenant.get(tenantId) ?? 0) >= LIMITS.waitingPerTenant * share ||
      ofAgent >= LIMITS.waitingPerAgent * share
    );
  }

  #add(waiter: Waiter): void {
    const { agentId } = waiter.route;
    const set = this.#waiters.get(agentId) ?? new Set();
    this.#waiters.set(agentId, set.add(waiter));
    this.#count(waiter, 1);
  }

  /** False when it is not here any more. */
  #remove(waiter: Waiter): boolean {
    const { agentId } = waiter.route;
    const set = this.#waiters.get(agentId);
    if (!set?.delete(waiter)) return false;
    if (set.size === 0) this.#waiters.delete(agentId);
    this.#count(waiter, -1);
    return true;
  }

  #count({ route: { tenantId }, unknown }: Waiter, by: 1 | -1): void {
    this.#size += by;
    addTo(this.#perTenant, tenantId, by);
    if (!unknown) return;
    this.#unknown += by;
    addTo(this.#unknownPerTenant, tenantId, by);
  }
}

function addTo(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
