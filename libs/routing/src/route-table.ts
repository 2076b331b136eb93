import type {
  AgentRoute,
  MemberClaims,
  ProviderName,
  RouteFrame,
  SealedProviderKey,
  TenantRoute,
} from '#libs/contracts';
import { type Clock, SystemClock } from '#libs/kernel';
import { ProviderKeys } from './provider-keys.js';
import { Revocations } from './revocations.js';
import type { DeltaFrame, SnapshotFrame } from './route-frame.js';

/**
 * What a frame did.
 * - `applied`: the table changed; `current`: nothing to do (heartbeat).
 * - `gap`: something was missed; reconnect for a snapshot.
 * - `stale`: a snapshot older than the table; `empty`: a snapshot without tenants over a table that has some. Both are
 *   reads that went wrong, and the table stays.
 */
export type FrameOutcome = 'applied' | 'current' | 'gap' | 'stale' | 'empty';

export interface TokenKeys {
  readonly issuer: string;
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] };
}

const placeKey = (tenantId: string, workspaceId: string) => `${tenantId}/${workspaceId}`;

/** Every route, by every key it is looked up with. Changes are O(size of the change); a frame is applied whole in one tick. */
export class RouteTable {
  readonly #tenants = new Map<string, TenantRoute>();
  readonly #hosts = new Map<string, TenantRoute>();
  readonly #slugs = new Map<string, TenantRoute>();
  readonly #agents = new Map<string, AgentRoute>();
  readonly #places = new Map<string, AgentRoute>();
  /** Where each agent answered last; outlives snapshots, which may come with a move. */
  readonly #homes = new Map<string, string>();
  readonly #revocations = new Revocations();
  readonly #providerKeys = new ProviderKeys();
  #position: { readonly epoch: string; readonly version: number } | undefined;
  #keys: TokenKeys = { issuer: '', jwks: { keys: [] } };
  #brokerAddresses: readonly string[] = [];
  #accessChanges = 0;
  /** Told of every agent that a frame says is asleep. */
  onAsleep: ((route: AgentRoute) => void) | undefined;
  /** Told of every agent that answers on another gateway than the frame before said. */
  onMoved: ((route: AgentRoute) => void) | undefined;

  constructor(private readonly clock: Clock = new SystemClock()) {}

  /** Undefined until the first snapshot. */
  get position(): { readonly epoch: string; readonly version: number } | undefined {
    return this.#position;
  }

  /** A new object whenever issuer or keys change, so that a caller may compare by identity. */
  get keys(): TokenKeys {
    return this.#keys;
  }

  /** Rises with every frame that may end access that was given before: revocations, keys, tenants. */
  get accessChanges(): number {
    return this.#accessChanges;
  }

  get size(): { readonly tenants: number; readonly agents: number } {
    return { tenants: this.#tenants.size, agents: this.#agents.size };
  }

  /** `host` lower case, without port. */
  tenantByHost(host: string): TenantRoute | undefined {
    return this.#hosts.get(host);
  }

  tenantBySlug(slug: string): TenantRoute | undefined {
    return this.#slugs.get(slug);
  }

  tenant(tenantId: string): TenantRoute | undefined {
    return this.#tenants.get(tenantId);
  }

  agent(agentId: string): AgentRoute | undefined {
    return this.#agents.get(agentId);
  }

  agentOfWorkspace(tenantId: string, workspaceId: string): AgentRoute | undefined {
    return this.#places.get(placeKey(tenantId, workspaceId));
  }

  isRevoked(claims: Pick<MemberClaims, 'tid' | 'jti' | 'sub' | 'iat'>): boolean {
    return this.#revocations.covers(claims);
  }

  /** The member's own key for a provider, else the tenant's; undefined: the platform's is used. */
  providerKey(tenantId: string, memberId: string, provider: ProviderName): SealedProviderKey | undefined {
    return this.#providerKeys.find(tenantId, memberId, provider);
  }

  /** Every tenant's and member's own provider key, as it came. */
  get ownProviderKeys(): readonly SealedProviderKey[] {
    return this.#providerKeys.list();
  }

  /** Where gateways of this installation's hosts look for the model broker, as `host:port`. */
  get brokerAddresses(): readonly string[] {
    return this.#brokerAddresses;
  }

  /** Applies a frame that `checkFrame` accepted. */
  apply(frame: RouteFrame): FrameOutcome {
    if (frame.type === 'snapshot') return this.#applySnapshot(frame);
    if (!this.#position) return 'gap';
    if (frame.type === 'heartbeat') return frame.version > this.#position.version ? 'gap' : 'current';
    if (frame.from !== this.#position.version) return 'gap';
    this.#applyDelta(frame, this.#position.epoch);
    return 'applied';
  }

  /** The whole table as the frame that would build it again. */
  snapshot(): SnapshotFrame | undefined {
    if (!this.#position) return undefined;
    return {
      type: 'snapshot',
      ...this.#position,
      ...this.#keys,
      tenants: [...this.#tenants.values()],
      agents: [...this.#agents.values()],
      revocations: this.#revocations.list(),
      providerKeys: this.#providerKeys.list(),
      brokerAddresses: this.#brokerAddresses,
    };
  }

  #applySnapshot(frame: SnapshotFrame): FrameOutcome {
    if (this.#position?.epoch === frame.epoch) {
      if (frame.version < this.#position.version) return 'stale';
      if (frame.tenants.length === 0 && this.#tenants.size > 0) return 'empty';
    }
    for (const index of [this.#tenants, this.#hosts, this.#slugs, this.#agents, this.#places]) index.clear();
    this.#revocations.clear();
    this.#providerKeys.clear();
    for (const tenant of frame.tenants) this.#putTenant(tenant);
    for (const agent of frame.agents) this.#putAgent(agent);
    for (const id of this.#homes.keys()) if (!this.#agents.has(id)) this.#homes.delete(id);
    for (const key of frame.providerKeys) this.#providerKeys.put(key);
    this.#revocations.add(frame.revocations, this.clock.now().getTime());
    this.#keys = { issuer: frame.issuer, jwks: frame.jwks };
    this.#brokerAddresses = frame.brokerAddresses ?? [];
    this.#accessChanges += 1;
    this.#position = { epoch: frame.epoch, version: frame.version };
    return 'applied';
  }

  #applyDelta(frame: DeltaFrame, epoch: string): void {
    // Removals first: a delta may give a removed tenant's host or a removed agent's workspace to another one.
    for (const id of frame.agents?.remove ?? []) {
      this.#dropAgent(id);
      this.#homes.delete(id);
    }
    for (const id of frame.tenants?.remove ?? []) this.#dropTenant(id);
    for (const tenant of frame.tenants?.upsert ?? []) this.#putTenant(tenant);
    for (const agent of frame.agents?.upsert ?? []) this.#putAgent(agent);
    for (const id of frame.providerKeys?.remove ?? []) this.#providerKeys.drop(id);
    for (const key of frame.providerKeys?.upsert ?? []) this.#providerKeys.put(key);
    if (frame.brokerAddresses) this.#brokerAddresses = frame.brokerAddresses;
    if (frame.jwks) this.#keys = { issuer: this.#keys.issuer, jwks: frame.jwks };
    this.#revocations.add(frame.revocations ?? [], this.clock.now().getTime());
    if (frame.revocations || frame.jwks || frame.tenants) this.#accessChanges += 1;
    this.#position = { epoch, version: frame.version };
  }

  #putTenant(tenant: TenantRoute): void {
    this.#dropTenant(tenant.tenantId);
    this.#tenants.set(tenant.tenantId, tenant);
    this.#slugs.set(tenant.slug, tenant);
    for (const host of tenant.hosts) this.#hosts.set(host.toLowerCase(), tenant);
  }

  #dropTenant(tenantId: string): void {
    const known = this.#tenants.get(tenantId);
    if (!known) return;
    this.#tenants.delete(tenantId);
    // A key that another tenant has taken over meanwhile is not ours to remove.
    if (this.#slugs.get(known.slug) === known) this.#slugs.delete(known.slug);
    for (const host of known.hosts) {
      const key = host.toLowerCase();
      if (this.#hosts.get(key) === known) this.#hosts.delete(key);
    }
  }

  #putAgent(agent: AgentRoute): void {
    const before = this.#homes.get(agent.agentId);
    this.#dropAgent(agent.agentId);
    this.#agents.set(agent.agentId, agent);
    if (agent.state === 'live') this.#homes.set(agent.agentId, agent.gatewayId);
    if (agent.state === 'live' && before !== undefined && before !== agent.gatewayId) this.onMoved?.(agent);
    if (agent.state === 'asleep') this.onAsleep?.(agent);
    this.#places.set(placeKey(agent.tenantId, agent.workspaceId), agent);
  }

  #dropAgent(agentId: string): void {
    const known = this.#agents.get(agentId);
    if (!known) return;
    this.#agents.delete(agentId);
    const key = placeKey(known.tenantId, known.workspaceId);
    if (this.#places.get(key) === known) this.#places.delete(key);
  }
}
