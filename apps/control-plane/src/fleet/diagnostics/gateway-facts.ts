import type { AgentRoute } from '#libs/contracts';
import type { Prisma, Tx } from '#libs/database';
import { conditionsOf, type Condition } from '../../provisioning/conditions.js';
import { diskLimitOf } from '../../tiers/disk-limit.js';

const GATEWAY = { host: true } satisfies Prisma.GatewayInclude;
export type DiagnosedGateway = Prisma.GatewayGetPayload<{ include: typeof GATEWAY }>;

export interface PhaseSpan {
  readonly phase: string;
  readonly since: string;
  /** Null: it is still in it. */
  readonly seconds: number | null;
  readonly reason: string | null;
}

export interface DiagnosedAgent {
  readonly id: string;
  readonly tenantId: string;
  readonly phase: string;
  readonly phaseSince: string;
  readonly desiredState: string;
  /** In its configuration. */
  readonly attached: boolean;
  readonly diskBytes: number | null;
  readonly diskLimitBytes: number | null;
  readonly conditions: readonly Condition[];
  /** As proxies have it; null: none. */
  readonly route: { readonly state: string; readonly gatewayId: string; readonly target: object } | null;
}

export interface DiagnosedFinding {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly reason: string;
  readonly message: string;
  readonly state: string;
  readonly firstSeen: string;
  readonly lastSeen: string;
}

/** Phases that are told, newest last; agents and findings of one gateway. */
const PHASES = 30;
const AGENTS = 200;
const FINDINGS = 50;

export const findGateway = async (tx: Tx, id: string): Promise<DiagnosedGateway | undefined> =>
  (await tx.gateway.findUnique({ where: { id }, include: GATEWAY })) ?? undefined;

/** What it went through, from the events of the last days. A warm one had no events before it was somebody's. */
export async function phasesOf(tx: Tx, gateway: DiagnosedGateway): Promise<PhaseSpan[]> {
  const rows = await tx.outbox.findMany({
    where: { topic: 'gateways', aggregateId: gateway.id, type: 'phase' },
    orderBy: { seq: 'desc' },
    take: PHASES,
    select: { at: true, data: true },
  });
  const events = rows
    .toReversed()
    .map(({ at, data }) => ({ at, ...(data as { phase: string; reason: string | null }) }));
  return events.map(({ phase, reason, at }, index) => {
    const next = events[index + 1];
    const seconds = next ? Math.round((next.at.getTime() - at.getTime()) / 10) / 100 : null;
    return { phase, since: at.toISOString(), seconds, reason };
  });
}

export async function agentsOf(tx: Tx, gatewayId: string): Promise<DiagnosedAgent[]> {
  const agents = await tx.agent.findMany({
    where: { OR: [{ gatewayId }, { targetGatewayId: gatewayId }, { attachedTo: gatewayId }] },
    include: { member: { select: { tierKey: true } } },
    orderBy: { id: 'asc' },
    take: AGENTS,
  });
  const ids = agents.map(({ id }) => id);
  const routes = new Map(
    (await tx.route.findMany({ where: { agentId: { in: ids } } })).map((row) => [row.agentId, row]),
  );
  const limits = await diskLimits(tx, [...new Set(agents.map(({ tenantId }) => tenantId))]);
  return agents.map((agent) => ({
    id: agent.id,
    tenantId: agent.tenantId,
    phase: agent.phase,
    phaseSince: agent.phaseSince.toISOString(),
    desiredState: agent.desiredState,
    attached: agent.attachedTo === gatewayId,
    diskBytes: agent.diskBytes === null ? null : Number(agent.diskBytes),
    diskLimitBytes: limits.get(`${agent.tenantId} ${agent.member.tierKey}`) ?? null,
    conditions: conditionsOf(agent.conditions),
    route: routeOf(routes.get(agent.id)?.route),
  }));
}

/** By tenant and tier key. */
async function diskLimits(tx: Tx, tenantIds: readonly string[]): Promise<Map<string, number>> {
  const where = { tenantId: { in: [...tenantIds] } };
  const tiers = await tx.tier.findMany({ where, select: { tenantId: true, key: true, resources: true } });
  return new Map(
    tiers.flatMap((tier) => {
      const bytes = diskLimitOf(tier);
      return bytes === null ? [] : [[`${tier.tenantId} ${tier.key}`, bytes] as const];
    }),
  );
}

function routeOf(value: unknown): DiagnosedAgent['route'] {
  if (!value) return null;
  const { state, gatewayId, target } = value as AgentRoute;
  return { state, gatewayId, target: { ...target } };
}

export async function findingsOf(tx: Tx, gatewayId: string): Promise<DiagnosedFinding[]> {
  const rows = await tx.inventoryFinding.findMany({
    where: { gatewayId },
    orderBy: { lastSeen: 'desc' },
    take: FINDINGS,
  });
  return rows.map(({ id, kind, name, reason, message, state, firstSeen, lastSeen }) => ({
    id,
    kind,
    name,
    reason,
    message,
    state,
    firstSeen: firstSeen.toISOString(),
    lastSeen: lastSeen.toISOString(),
  }));
}
