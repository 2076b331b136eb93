import type { AgentConfig, GatewayConfig, MemberClaims } from '#libs/contracts';
import { AgentNotFound } from '../errors.js';
import type { Agent } from './agent.js';

/** The agents that are attached, by id and by workspace. */
export class Roster {
  readonly #agents = new Map<string, Agent>();
  readonly #byWorkspace = new Map<string, Agent>();

  constructor(private readonly attach: (config: AgentConfig) => Agent) {}

  get agents(): readonly Agent[] {
    return [...this.#agents.values()];
  }

  get ids(): string[] {
    return [...this.#agents.keys()];
  }

  has(agentId: string): boolean {
    return this.#agents.has(agentId);
  }

  /** The agent a token speaks for; `agentId` is what the address named. A stranger's agent is `agent-not-found`. */
  agentOf(claims: MemberClaims, agentId: string | undefined): Agent {
    const agent = this.#byWorkspace.get(claims.wid);
    if (!agent || agent.config.tenantId !== claims.tid) throw new AgentNotFound();
    if (agentId !== undefined && agent.config.agentId !== agentId) throw new AgentNotFound();
    return agent;
  }

  /** Takes the agents out that a configuration no longer has; returns them. */
  removeAllBut(config: GatewayConfig): Agent[] {
    const wanted = new Set(config.agents.map((agent) => agent.agentId));
    const gone = this.agents.filter((agent) => !wanted.has(agent.config.agentId));
    for (const agent of gone) {
      const { agentId, workspaceId } = agent.config;
      this.#agents.delete(agentId);
      if (this.#byWorkspace.get(workspaceId) === agent) this.#byWorkspace.delete(workspaceId);
    }
    return gone;
  }

  /** Takes a configuration into use; returns the agents that are new. */
  use(config: GatewayConfig): Agent[] {
    const added: Agent[] = [];
    this.#byWorkspace.clear();
    for (const agentConfig of config.agents) {
      let agent = this.#agents.get(agentConfig.agentId);
      if (agent) agent.reconfigure(agentConfig);
      else {
        agent = this.attach(agentConfig);
        this.#agents.set(agentConfig.agentId, agent);
        added.push(agent);
      }
      this.#byWorkspace.set(agentConfig.workspaceId, agent);
    }
    return added;
  }

  /** Ids of the agents that a configuration would attach or detach. */
  changedBy(config: GatewayConfig): string[] {
    const wanted = new Set(config.agents.map((agent) => agent.agentId));
    return [...[...wanted].filter((id) => !this.has(id)), ...this.ids.filter((id) => !wanted.has(id))];
  }
}
