import type { AgentConfig, GatewayConfig, MemberClaims, RequestLimits, TrustMode, TrustProfile } from '#libs/contracts';
import { generateSigningKey, type SigningKey, signMemberToken } from '#libs/tokens';
import { compileTrustProfile } from '#libs/trust';

export const ISSUER = 'https://issuer.test';

const NO_LIMITS = { messagesPerHour: null, sessions: null, apiCallsPerDay: null, smsPerDay: null };
const CHANNELS = ['web', 'sms', 'discord', 'slack'];

/** What an agent of that ceiling may, on the surfaces that these tests use. */
export const profile = (ceiling: TrustMode = 1, limits: Partial<RequestLimits> = {}): TrustProfile =>
  compileTrustProfile({
    runtime: 'wirebot',
    ceiling,
    tier: { trustCeiling: ceiling, channels: CHANNELS, limits: { ...NO_LIMITS, ...limits } },
  });

/** A control plane's part in a test: configurations and tokens, signed for real. */
export class Tenant {
  private constructor(private readonly key: SigningKey) {}

  static async create(): Promise<Tenant> {
    return new Tenant(await generateSigningKey());
  }

  /** With a key that the test has too. */
  static of(key: SigningKey): Tenant {
    return new Tenant(key);
  }

  agent(name: string, changes: Partial<AgentConfig> = {}): AgentConfig {
    return {
      agentId: `agt_${name}`,
      tenantId: 'ten_one',
      workspaceId: `wsp_${name}`,
      memberId: `mem_${name}`,
      memberName: `Member ${name}`,
      brand: 'Acme Club',
      timeZone: 'Europe/Berlin',
      locale: 'en',
      model: { provider: 'anthropic', name: 'claude-sonnet-5-5', maxOutputTokens: 512 },
      trust: profile(),
      diskBytes: null,
      ...changes,
    };
  }

  config(gatewayId: string, brokerUrl: string | null, agents: AgentConfig[], generation = 1, fence = 1): GatewayConfig {
    const jwks = { keys: [this.key.publicJwk as unknown as Record<string, unknown>] };
    return { gatewayId, kind: 'shared', generation, fence, issuer: ISSUER, jwks, brokerUrl, agents };
  }

  token(agent: AgentConfig, changes: Partial<MemberClaims> = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return signMemberToken(this.key, {
      iss: ISSUER,
      sub: agent.memberId,
      tid: agent.tenantId,
      wid: agent.workspaceId,
      trust_mode_max: 3,
      scopes: [],
      surfaces: ['web'],
      gw: null,
      iat: now,
      exp: now + 600,
      jti: `tok_${now}`,
      ...changes,
    });
  }
}
