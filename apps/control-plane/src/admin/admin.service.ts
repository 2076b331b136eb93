import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { MemberView, OperationView } from '#libs/contracts';
import { Database, type Prisma } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type MemberFilter, MembersRepository, toMemberView } from '../members/members.repository.js';
import { OperationsRepository, toOperationView } from '../operations/operations.repository.js';
import { conditionsWithHost } from '../fleet/host-condition.js';
import type { Condition } from '../provisioning/conditions.js';
import { type TierView, toTierView } from '../tiers/tiers.service.js';

export interface GatewayView {
  readonly id: string;
  /** Null: made ahead, nobody's yet. */
  readonly tenantId: string | null;
  readonly host: string;
  readonly kind: string;
  readonly runtime: string;
  readonly phase: string;
  readonly phaseSince: string;
  readonly desiredState: string;
  readonly port: number | null;
  readonly agents: number;
  /** Of its agents' folders together, as it said last. */
  readonly diskBytes: number;
  /** Since when an operator holds it; null: nobody does. */
  readonly quarantinedAt: string | null;
  readonly conditions: readonly Condition[];
  readonly createdAt: string;
}

type OfTenant<T> = T & { readonly tenantId: string };

const GATEWAY = { host: true, attached: { select: { diskBytes: true } } } satisfies Prisma.GatewayInclude;

const toGatewayView = (row: Prisma.GatewayGetPayload<{ include: typeof GATEWAY }>): GatewayView => ({
  id: row.id,
  tenantId: row.tenantId,
  host: row.host.name,
  kind: row.kind,
  runtime: row.runtime,
  phase: row.phase,
  phaseSince: row.phaseSince.toISOString(),
  desiredState: row.desiredState,
  port: row.port,
  agents: row.attached.length,
  diskBytes: row.attached.reduce((sum, { diskBytes }) => sum + Number(diskBytes ?? 0n), 0),
  quarantinedAt: row.quarantinedAt?.toISOString() ?? null,
  conditions: conditionsWithHost(row),
  createdAt: row.createdAt.toISOString(),
});

/** What operators see of every tenant. */
@Injectable()
export class AdminService {
  constructor(
    private readonly database: Database,
    private readonly members: MembersRepository,
    private readonly operations: OperationsRepository,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  async listTiers(after: string | undefined, limit: number): Promise<OfTenant<TierView & { id: string }>[]> {
    const where = after ? { id: { gt: after } } : {};
    const rows = await this.database.system((tx) => tx.tier.findMany({ where, orderBy: { id: 'asc' }, take: limit }));
    return rows.map((row) => ({ id: row.id, tenantId: row.tenantId, ...toTierView(row) }));
  }

  async listMembers(filter: MemberFilter): Promise<OfTenant<MemberView>[]> {
    return this.database.system(async (tx) => {
      const rows = await this.members.list(tx, undefined, filter);
      const tiers = await tx.tier.findMany({
        where: { tenantId: { in: [...new Set(rows.map((row) => row.tenantId))] } },
      });
      return rows.map((row) => ({
        tenantId: row.tenantId,
        ...toMemberView(row, tiers, this.config.proxyUrl, this.clock.now()),
      }));
    });
  }

  async listGateways(after: string | undefined, limit: number): Promise<GatewayView[]> {
    const where = { phase: { not: 'deleted' }, ...(after ? { id: { gt: after } } : {}) };
    const rows = await this.database.system((tx) =>
      tx.gateway.findMany({ where, include: GATEWAY, orderBy: { id: 'asc' }, take: limit }),
    );
    return rows.map(toGatewayView);
  }

  async listOperations(after: string | undefined, limit: number): Promise<OfTenant<OperationView>[]> {
    const rows = await this.database.system((tx) => this.operations.list(tx, undefined, after, limit));
    return rows.map((row) => ({ tenantId: row.tenantId, ...toOperationView(row) }));
  }
}
