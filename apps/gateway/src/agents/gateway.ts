import type { AgentConfig, ConfigApplied, GatewayConfig, GatewayStatus, MemberClaims } from '#libs/contracts';
import { createMemberTokenVerifier, type MemberTokenVerifier } from '#libs/tokens';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigStore } from '../config/config.store.js';
import { AgentAttached, AgentNotFound, ConfigInvalid, NotReady, StaleFence } from '../errors.js';
import { loadOf } from '../load/gateway-load.js';
import type { LoopDelay } from '../load/loop-delay.js';
import type { Gauges } from '../metrics.js';
import type { AgentParts } from './agent-parts.js';
import { Agent } from './agent.js';
import { agentStatusOf, type Occupation, occupationOf } from './gateway-status.js';

export interface GatewayOptions {
  readonly gatewayId: string;
  readonly stateDir: string;
  readonly version: string;
  readonly delay: LoopDelay;
}

/** Holds the agents of this process and applies configurations to them, one at a time. */
export class Gateway {
  readonly #agents = new Map<string, Agent>();
  readonly #byWorkspace = new Map<string, Agent>();
  #config: GatewayConfig | undefined;
  #verifier: MemberTokenVerifier | undefined;
  #draining = false;
  /** How many rounds through agents' unfinished work are under way. */
  #resuming = 0;
  /** Configuration changes and folder operations follow each other: none sees another's half. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: GatewayOptions,
    private readonly store: ConfigStore,
    private readonly parts: (config: () => GatewayConfig | undefined) => AgentParts,
  ) {}

  get state(): GatewayStatus['state'] {
    if (this.#draining) return 'draining';
    return this.#config ? 'ready' : 'unconfigured';
  }

  get agents(): readonly Agent[] {
    return [...this.#agents.values()];
  }

  agentFolder(agentId: string): string {
    return join(this.options.stateDir, 'agents', agentId);
  }

  /** Reads the last configuration and attaches its agents. */
  async load(): Promise<void> {
    const config = await this.store.load();
    if (config) this.#use(config);
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

  /** One bad database must not keep the others from going on. */
  async #resumeOne(agent: Agent): Promise<void> {
    try {
      if (this.#config?.rehearsal) agent.rehearse();
      else agent.resume();
      agent.closeIfUnused();
      await agent.measure();
    } catch (error) {
      this.#parts.logger.error({ agentId: agent.config.agentId, err: error }, 'agent could not be resumed');
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  apply(config: GatewayConfig, drainMs: number): Promise<ConfigApplied> {
    return this.exclusively(async () => {
      this.#checkOrder(config);
      const wanted = new Set(config.agents.map((agent) => agent.agentId));
      const gone = this.agents.filter((agent) => !wanted.has(agent.config.agentId));
      for (const agent of gone) this.#forget(agent);
      await Promise.all(gone.map((agent) => agent.detach(drainMs)));
      await this.store.save(config);
      const added = this.#use(config);
      void this.resume(added);
      this.#parts.logger.info(
        { generation: config.generation, agents: config.agents.length, attached: added.length, detached: gone.length },
        'configuration applied',
      );
      return { generation: config.generation, agents: [...this.#agents.keys()] };
    });
  }

  /** Runs work on a detached agent's folder while no configuration can attach it. */
  withDetached<T>(agentId: string, work: () => Promise<T>): Promise<T> {
    return this.exclusively(() => {
      if (this.#agents.has(agentId)) throw new AgentAttached();
      return work();
    });
  }

  /** Holds a detached agent's folder beyond one call (a download); everything else of this kind waits for `release`. */
  lockDetached(agentId: string): Promise<{ release: () => void }> {
    return new Promise((resolve, reject) => {
      const held = this.withDetached(
        agentId,
        () => new Promise<void>((release) => resolve({ release: () => release() })),
      );
      held.catch(reject);
    });
  }

  async verify(token: string): Promise<MemberClaims> {
    if (!this.#verifier) throw new NotReady('gateway-unconfigured');
    return this.#verifier.verify(token, this.#parts.clock.now());
  }

  /** True when this agent is attached here; while there is no configuration nobody can say, and the client may try. */
  serves(agentId: string): boolean {
    return !this.#config || this.#config.agents.some((agent) => agent.agentId === agentId);
  }

  /** The agent a token speaks for; `agentId` is what the address named. A stranger's agent is `agent-not-found`. */
  agentOf(claims: MemberClaims, agentId: string | undefined): Agent {
    const agent = this.#byWorkspace.get(claims.wid);
    if (!agent || agent.config.tenantId !== claims.tid) throw new AgentNotFound();
    if (agentId !== undefined && agent.config.agentId !== agentId) throw new AgentNotFound();
    return agent;
  }

  /** Throws NotReady while the process ends or has no configuration yet. */
  checkReady(): void {
    if (this.#draining) throw new NotReady('gateway-draining');
    if (!this.#config) throw new NotReady('gateway-unconfigured');
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
    for (const agent of this.#agents.values()) {
      try {
        agent.closeIfIdle();
      } catch (error) {
        this.#parts.logger.error({ agentId: agent.config.agentId, err: error }, 'agent could not be closed');
      }
    }
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
    const sum = (of: (agent: Agent) => number) => this.agents.reduce((total, agent) => total + of(agent), 0);
    return {
      agents: this.#agents.size,
      agents_open: sum((agent) => (agent.isOpen ? 1 : 0)),
      sockets: sum((agent) => agent.sockets.size),
      tasks_active: sum((agent) => agent.activeTasks),
    };
  }

  #occupation(): Occupation {
    return occupationOf(this.agents, this.#parts.activity, this.#resuming > 0, this.#parts.clock.now());
  }

  #checkOrder(config: GatewayConfig): void {
    if (this.#draining) throw new NotReady('gateway-draining');
    if (config.gatewayId !== this.options.gatewayId) {
      throw new ConfigInvalid([{ field: 'gatewayId', message: 'names another gateway' }]);
    }
    const last = this.#config;
    if (!last) return;
    const older = config.fence === last.fence && config.generation < last.generation;
    if (config.fence < last.fence || older) throw new StaleFence();
  }

  /** Takes the configuration into use; returns the agents that are new. */
  #use(config: GatewayConfig): Agent[] {
    this.#config = config;
    this.#verifier = createMemberTokenVerifier(config.issuer, config.jwks);
    const added: Agent[] = [];
    this.#byWorkspace.clear();
    for (const agentConfig of config.agents) {
      let agent = this.#agents.get(agentConfig.agentId);
      if (agent) agent.reconfigure(agentConfig);
      else added.push((agent = this.#attach(agentConfig)));
      this.#byWorkspace.set(agentConfig.workspaceId, agent);
    }
    return added;
  }

  #attach(config: AgentConfig): Agent {
    const folder = this.agentFolder(config.agentId);
    try {
      // An agent that was never talked to has a folder too: it can be moved like any other.
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      // Its own requests will say so; the others have theirs.
      this.#parts.logger.error({ agentId: config.agentId, err: error }, 'folder could not be made');
    }
    const agent = new Agent(config, folder, this.#parts);
    this.#agents.set(config.agentId, agent);
    return agent;
  }

  #forget(agent: Agent): void {
    this.#agents.delete(agent.config.agentId);
    if (this.#byWorkspace.get(agent.config.workspaceId) === agent) this.#byWorkspace.delete(agent.config.workspaceId);
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(work, work);
    this.#queue = next.catch(() => undefined);
    return next;
  }

  #made: AgentParts | undefined;
  get #parts(): AgentParts {
    return (this.#made ??= this.parts(() => this.#config));
  }
}
