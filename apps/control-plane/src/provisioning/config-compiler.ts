import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { AgentConfig, GatewayConfig, GatewayKind } from '#libs/contracts';
import { Database, type Prisma } from '#libs/database';
import { Clock } from '#libs/kernel';
import { compileTrustProfile, type TierLimits } from '#libs/trust';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { GatewaySecretReader, type SecretsHolder } from '../secrets/gateway-secret.reader.js';
import { diskLimitOf } from '../tiers/disk-limit.js';
import { ceilingFrom } from '../trust/ceilings.js';

/** Longest answer of a model call, in tokens. */
const MAX_OUTPUT_TOKENS = 4096;

type AttachedAgent = Prisma.AgentGetPayload<{ include: { member: true; tenant: true } }>;
type TierRow = Prisma.TierGetPayload<object>;

export interface CompiledConfig {
  readonly config: GatewayConfig;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Renders what a gateway is told: tier, trust and brand become its configuration. Reads one consistent state. */
@Injectable()
export class ConfigCompiler {
  constructor(
    private readonly database: Database,
    private readonly config: ControlPlaneConfig,
    private readonly credentials: GatewayCredentials,
    private readonly clock: Clock,
    private readonly stored: GatewaySecretReader,
  ) {}

  async compile(gatewayId: string, fence: bigint, brokerUrl: string): Promise<CompiledConfig> {
    const { config, agents } = await this.database.system(async (tx) => {
      const gateway = await tx.gateway.findUniqueOrThrow({ where: { id: gatewayId } });
      const agents = await tx.agent.findMany({
        where: { attachedTo: gatewayId },
        include: { member: true, tenant: true },
        orderBy: { id: 'asc' },
      });
      const tiers = gateway.tenantId ? await tx.tier.findMany({ where: { tenantId: gateway.tenantId } }) : [];
      const keys = await tx.signingKey.findMany({
        where: { OR: [{ removeAfter: null }, { removeAfter: { gt: new Date() } }] },
        select: { publicJwk: true },
      });
      return {
        config: {
          gatewayId,
          kind: gateway.kind as GatewayKind,
          generation: Number(gateway.configGeneration),
          fence: Number(fence),
          issuer: this.config.url,
          jwks: { keys: keys.map((key) => key.publicJwk as Record<string, unknown>) },
          brokerUrl,
          agents: agents.map((agent) => this.#agent(agent, tiers, gateway.kind)),
        },
        agents,
      };
    });
    return { config, secrets: await this.#secretsOf(gatewayId, agents) };
  }

  /** The files of the gateway's secrets directory as the rows say now. */
  async secrets(gatewayId: string): Promise<Record<string, string>> {
    const agents = await this.database.system((tx) =>
      tx.agent.findMany({ where: { attachedTo: gatewayId }, select: { id: true, tenantId: true, memberId: true } }),
    );
    return this.#secretsOf(gatewayId, agents);
  }

  async #secretsOf(gatewayId: string, agents: readonly SecretsHolder[]): Promise<Record<string, string>> {
    const brokers = agents.map((agent) => [`agents/${agent.id}`, this.credentials.broker(agent.id)] as const);
    const own = { control: this.credentials.control(gatewayId), ...Object.fromEntries(brokers) };
    return { ...(await this.stored.files(agents)), ...own };
  }

  #agent(agent: AttachedAgent, tiers: readonly TierRow[], kind: string): AgentConfig {
    const { member, tenant } = agent;
    const tier = tiers.find((row) => row.key === member.tierKey);
    return {
      agentId: agent.id,
      tenantId: agent.tenantId,
      workspaceId: agent.workspaceId,
      memberId: member.id,
      memberName: member.name ?? member.email.split('@')[0] ?? 'there',
      brand: (tenant.brand as { name?: string }).name ?? tenant.name,
      timeZone: member.timeZone,
      locale: member.locale,
      trust: compileTrustProfile({
        runtime: 'wirebot',
        ceiling: ceilingFrom(member, tenant, tier, kind, this.clock.now()),
        tier: tier && { ...tier, limits: tier.limits as unknown as Partial<TierLimits> },
      }),
      model: { ...this.config.model, maxOutputTokens: MAX_OUTPUT_TOKENS },
      diskBytes: diskLimitOf(tier),
    };
  }
}
