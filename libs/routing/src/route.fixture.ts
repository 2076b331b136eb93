import type { AgentRoute, TenantRoute } from '#libs/contracts';
import type { DeltaFrame, SnapshotFrame } from './route-frame.js';

export const tenant = (name: string, over: Partial<TenantRoute> = {}): TenantRoute => ({
  tenantId: `ten_${name}`,
  slug: name,
  name,
  hosts: [`${name}.test`],
  brand: { name, accent: '#000000', greeting: 'Hello' },
  status: 'active',
  limits: { tokensPerDay: null, costPerDayMicros: null },
  acceptsSharedSecretTokens: false,
  ...over,
});

export const agent = (name: string, tenantName: string, over: Partial<AgentRoute> = {}): AgentRoute => ({
  agentId: `agt_${name}`,
  tenantId: `ten_${tenantName}`,
  workspaceId: `wsp_${name}`,
  memberId: `mem_${name}`,
  gatewayId: 'gw_1',
  state: 'live',
  target: { host: '127.0.0.1', port: 21000 },
  trustModeMax: 1,
  credentialSha256: 'ab'.repeat(32),
  model: { provider: 'offline', name: 'offline' },
  tierKey: 'wire',
  limits: { tokensPerDay: null, costPerDayMicros: null },
  ...over,
});

export const snapshot = (over: Partial<SnapshotFrame> = {}): SnapshotFrame => ({
  type: 'snapshot',
  epoch: 'e1',
  version: 1,
  issuer: 'http://issuer.test',
  jwks: { keys: [{ kid: 'k1' }] },
  tenants: [tenant('acme'), tenant('other')],
  agents: [agent('a', 'acme'), agent('x', 'other')],
  revocations: [],
  providerKeys: [],
  ...over,
});

export const delta = (from: number, over: Partial<DeltaFrame> = {}): DeltaFrame => ({
  type: 'delta',
  from,
  version: from + 1,
  ...over,
});
