import type {
  AgentConfig,
  ConfigApplied,
  GatewayConfig,
  GatewayProcessState,
  GatewayStatus,
  MemberClaims,
  SuspendAnswer,
} from '#libs/contracts';
import { createMemberTokenVerifier, type MemberTokenVerifier } from '#libs/tokens';
import { join } from 'node:path';
import type { ConfigStore } from '../config/config.store.js';
import { GatewayBusy, GatewayClaimed } from '../control/control.errors.js';
import { AgentAttached, ConfigInvalid, NotReady, StaleFence } from '../errors.js';
import { loadOf } from '../load/gateway-load.js';
import type { LoopDelay } from '../load/loop-delay.js';
import { trimMemory } from '../load/trim-memory.js';
import type { Gauges } from '../metrics.js';
import { AgentLocks } from './agent-locks.js';
import type { AgentParts } from './agent-parts.js';
import { Agent } from './agent.js';
import { agentStatusOf, gaugesOf, type Occupation, occupationOf } from './gateway-status.js';
import { Roster } from './roster.js';
import { Suspension } from './suspension.js';

export interface GatewayOptions {
  readonly gatewayId: string;
  readonly stateDir: string;
  readonly version: string;
  readonly delay: LoopDelay;
}

/** Holds the agents of this process and applies configurations to them, one at a time. */
export class Gateway {
  readonly #roster = new Roster((config) => this.#attach(config));
  readonly #locks = new AgentLocks();
  readonly #suspension = new Suspension(() => this.#awake());
  #config: GatewayConfig | undefined;
  /** The highest that was ever seen: who has been overtaken decides nothing any more. */
  #fence = 0;
  #verifier: MemberTokenVerifier | undefined;
  /** Fingerprint of the credential that it waits to be claimed with; undefined when it does not wait. */
  #claim: (() => string) | undefined;
  #draining = false;
  /** How many rounds through agents' unfinished work are under way. */
  #resuming = 0;
  /** Agents that were attached while the gateway was about to sleep: they begin when it is awake. */
  #deferred: Agent[] = [];
  /** Configurations follow each other: none sees another's half. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: GatewayOptions,
    private readonly store: ConfigStore,
    private readonly parts: (config: () => GatewayConfig | undefined) => AgentParts,
  ) {}

  get state(): GatewayProcessState {
    if (this.#draining) return 'draining';
    if (this.#suspension.isActive) return 'suspending';
    if (this.#config) return 'ready';
    return this.#claim === undefined ? 'unconfigured' : 'warm';
  }

  get agents(): readonly Agent[] {
    return this.#roster.agents;
  }

  agentFolder(agentId: string): string {
    return join(this.options.stateDir, 'agents', agentId);
  }

  /** Reads the last configuration and attaches its agents. Without one it waits for the claim, where there can be one. */
  async load(claim: (() => string) | undefined): Promise<void> {
    const config = await this.store.load();
    if (config) this.#use(config);
    else this.#claim = claim;
  }

  /** Goes on with unfinished answers; apart from `load`, so that the listeners are open first. */
  async resume(agents: readonly Agent[] = this.agents): Promise<void> {
    this.#resuming += 1;
    try {
      for (const agent of agents) await this.#resumeOne(agent);
    } finally {
      this.#resuming -= 1;
      this.#parts.activity.used();
    }
  }

  apply(config: GatewayConfig, drainMs: number): Promise<ConfigApplied> {
    return this.#exclusively(() => this.#change(config, drainMs));
  }

  /** Takes its identity; throws GatewayClaimed when it has one. A crash leaves it warm with nothing or claimed with all. */
  claim(config: GatewayConfig): Promise<ConfigApplied> {
    return this.#exclusively(() => {
      this.checkClaimable();
      return this.#change(config, 0);
    });
  }

  checkClaimable(): void {
    if (this.#claim === undefined) throw new GatewayClaimed();
  }

  /**
   * Agrees to be put to sleep. The look and the refusal of new work are one step, and everything is closed before the answer:
   * what is frozen or ended afterwards holds nothing half-written. Throws GatewayBusy, and then nothing has changed.
   */
  suspend(fence: number): SuspendAnswer {
    this.#checkFence(fence);
    if (this.#draining) throw new NotReady('gateway-draining');
    const { busy, nextJobAt } = this.#occupation();
    if (busy.length > 0) throw new GatewayBusy(busy);
    this.#fence = fence;
    this.#suspension.begin();
    for (const agent of this.agents) this.#guarded(agent, 'agent could not be closed', () => agent.closeIfUnused());
    this.options.delay.stop();
    trimMemory();
    return { suspended: true, nextJobAt: nextJobAt?.toISOString() ?? null };
  }

  /** Ends that agreement; also when there is none. */
  wake(fence: number): void {
    this.#checkFence(fence);
    this.#fence = fence;
    this.#suspension.end();
  }

  /** Has a detached agent's folder for itself: nobody attaches, replaces, copies or deletes it meanwhile. Call `release`. */
  async holdDetached(agentId: string): Promise<{ readonly release: () => void }> {
    const release = await this.#locks.acquire([agentId]);
    if (!this.#roster.has(agentId)) return { release };
    release();
    throw new AgentAttached();
  }

  async withDetached<T>(agentId: string, work: () => Promise<T>): Promise<T> {
    const { release } = await this.holdDetached(agentId);
    try {
      return await work();
    } finally {
      release();
    }
  }

  async verify(token: string): Promise<MemberClaims> {
    if (!this.#verifier) throw new NotReady('gateway-unconfigured');
    return this.#verifier.verify(token, this.#parts.clock.now());
  }

  /** True when this agent is attached here; while there is no configuration nobody can say, and the client may try. */
  serves(agentId: string): boolean {
    return !this.#config || this.#config.agents.some((agent) => agent.agentId === agentId);
  }

  agentOf(claims: MemberClaims, agentId: string | undefined): Agent {
    return this.#roster.agentOf(claims, agentId);
  }

  /** Throws NotReady while the process is nobody's, is about to sleep or ends, and while it has no configuration. */
  checkReady(): void {
    const { state } = this;
    if (state !== 'ready') throw new NotReady(`gateway-${state}`);
  }

  /** Everything of an agent asks this first. Throws NotReady while there is no new work to be taken. */
  checkOpen(): void {
    this.checkReady();
    if (this.#config?.rehearsal) throw new NotReady('gateway-rehearsing');
  }

  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    await Promise.all(this.agents.map((agent) => agent.detach(graceMs)));
  }

  sweep(): void {
    for (const agent of this.agents) this.#guarded(agent, 'agent could not be closed', () => agent.closeIfIdle());
  }

  status(): GatewayStatus {
    const { busy, nextJobAt } = this.#occupation();
    return {
      gatewayId: this.options.gatewayId,
      state: this.state,
      generation: this.#config?.generation ?? 0,
      fence: this.#config?.fence ?? 0,
      version: this.options.version,
      idleSince: busy.length > 0 ? null : this.#parts.activity.usedAt().toISOString(),
      busy,
      nextJobAt: nextJobAt?.toISOString() ?? null,
      load: loadOf(this.options.delay),
      agents: this.agents.map(agentStatusOf),
    };
  }

  gauges(): Gauges {
    return gaugesOf(this.agents);
  }

  async #change(config: GatewayConfig, drainMs: number): Promise<ConfigApplied> {
    this.#checkOrder(config);
    // Whoever copies or replaces the folder of an agent that comes or goes ends first; the others are not waited for.
    const release = await this.#locks.acquire(this.#roster.changedBy(config));
    try {
      return await this.#take(config, drainMs);
    } finally {
      release();
    }
  }

  async #take(config: GatewayConfig, drainMs: number): Promise<ConfigApplied> {
    // First, so that a full disk changes nothing. A crash before the rest has left the agents that are gone as a drain would.
    await this.store.save(config, this.#claim?.());
    this.#claim = undefined;
    const gone = this.#roster.removeAllBut(config);
    await Promise.all(gone.map((agent) => agent.detach(drainMs)));
    const rehearsed = this.#config?.rehearsal === true && !config.rehearsal;
    const added = this.#use(config);
    // What a rehearsal left pending is begun with the first configuration that is meant.
    const begins = rehearsed ? this.agents : added;
    if (this.#suspension.isActive) this.#deferred.push(...begins);
    else void this.resume(begins);
    this.#parts.logger.info(
      { generation: config.generation, agents: config.agents.length, attached: added.length, detached: gone.length },
      'configuration applied',
    );
    return { generation: config.generation, agents: this.#roster.ids };
  }

  #checkOrder(config: GatewayConfig): void {
    if (this.#draining) throw new NotReady('gateway-draining');
    if (config.gatewayId !== this.options.gatewayId) {
      throw new ConfigInvalid([{ field: 'gatewayId', message: 'names another gateway' }]);
    }
    this.#checkFence(config.fence);
    if (config.fence === this.#config?.fence && config.generation < this.#config.generation) throw new StaleFence();
  }

  #checkFence(fence: number): void {
    if (fence < this.#fence) throw new StaleFence();
  }

  /** Takes the configuration into use; returns the agents that are new. */
  #use(config: GatewayConfig): Agent[] {
    this.#config = config;
    this.#fence = Math.max(this.#fence, config.fence);
    this.#verifier = createMemberTokenVerifier(config.issuer, config.jwks);
    return this.#roster.use(config);
  }

  #attach(config: AgentConfig): Agent {
    const agent = new Agent(config, this.agentFolder(config.agentId), this.#parts);
    this.#guarded(agent, 'folder could not be made', () => agent.prepare());
    return agent;
  }

  async #resumeOne(agent: Agent): Promise<void> {
    this.#guarded(agent, 'agent could not be resumed', () => {
      if (this.#config?.rehearsal) agent.rehearse();
      else agent.resume();
      agent.closeIfUnused();
    });
    await agent.measure();
    await new Promise((resolve) => setImmediate(resolve));
  }

  #awake(): void {
    this.#parts.activity.used();
    void this.resume(this.#deferred.splice(0));
  }

  #occupation(): Occupation {
    return occupationOf(this.agents, this.#parts.activity, this.#resuming > 0, this.#parts.clock.now());
  }

  /** What goes wrong with one agent must not keep the others from anything. */
  #guarded(agent: Agent, failure: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.logger.error({ agentId: agent.config.agentId, err: error }, failure);
    }
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(work, work);
    this.#queue = next.catch(() => undefined);
    return next;
  }

  #made: AgentParts | undefined;
  get #parts(): AgentParts {
    return (this.#made ??= this.parts(() => this.#config));
  }
}
