import { Injectable } from '@nestjs/common';
import { Database, type Prisma } from '#libs/database';
import { AuditLog } from '../../audit/audit-log.js';
import { HostNotFound } from '../../fleet/hosts.errors.js';
import type { ConfirmFindingsDto } from './dto/findings.dto.js';
import { FindingNotFound, FindingsDiffer } from './findings.errors.js';
import { CURRENT, detailOf, FindingsRepository } from './findings.repository.js';

const HOST = { host: { select: { name: true } } } satisfies Prisma.InventoryFindingInclude;
type Row = Prisma.InventoryFindingGetPayload<{ include: typeof HOST }>;

export interface FindingView {
  readonly id: string;
  readonly host: { readonly id: string; readonly name: string };
  readonly kind: string;
  readonly name: string;
  readonly gatewayId: string | null;
  readonly reason: string;
  readonly message: string;
  readonly state: string;
  /** So much is unknown that nothing is done until somebody confirms. */
  readonly held: boolean;
  readonly confirmed: boolean;
  readonly sightings: number;
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly resolvedAt: string | null;
}

const toView = (row: Row): FindingView => {
  const { id, hostId, kind, name, gatewayId, reason, message, state, sightings } = row;
  return {
    id,
    kind,
    name,
    gatewayId,
    reason,
    message,
    state,
    sightings,
    host: { id: hostId, name: row.host.name },
    held: detailOf(row).held ?? false,
    confirmed: detailOf(row).confirmedBy !== undefined,
    firstSeen: row.firstSeen.toISOString(),
    lastSeen: row.lastSeen.toISOString(),
    resolvedAt: row.resolvedAt?.toISOString() ?? null,
  };
};

/** What operators see of the inventory's findings, and decide about them. */
@Injectable()
export class FindingsService {
  constructor(
    private readonly database: Database,
    private readonly findings: FindingsRepository,
    private readonly audit: AuditLog,
  ) {}

  async list(state: string | undefined, after: string | undefined, limit: number): Promise<FindingView[]> {
    const where = { ...(state ? { state } : {}), ...(after ? { id: { gt: after } } : {}) };
    const rows = await this.database.system((tx) =>
      tx.inventoryFinding.findMany({ where, include: HOST, orderBy: { id: 'asc' }, take: limit }),
    );
    return rows.map(toView);
  }

  /**
   * They may go although there are so many: the inventory takes them up at its next round, with all its care but that.
   * Throws HostNotFound, and FindingsDiffer when there are more or fewer than `count`.
   */
  async confirm({ hostId, reason, count }: ConfirmFindingsDto, actor: string): Promise<{ readonly confirmed: number }> {
    return this.database.system(async (tx) => {
      if ((await tx.host.count({ where: { id: hostId } })) === 0) throw new HostNotFound();
      await tx.$queryRaw`
        SELECT 1 FROM inventory_findings WHERE host_id = ${hostId} AND reason = ${reason} ORDER BY id FOR UPDATE`;
      const where = { hostId, reason, state: { in: [...CURRENT] } };
      const rows = await tx.inventoryFinding.findMany({ where });
      if (rows.length !== count) throw new FindingsDiffer(rows.length);
      for (const row of rows)
        await this.findings.set(tx, row, row.state === 'quarantined' ? 'quarantined' : 'open', { confirmedBy: actor });
      const line = { action: 'finding.confirm', resource: 'host', resourceId: hostId, data: { reason, count } };
      await this.audit.record(tx, { ...line, tenantId: null, actor });
      return { confirmed: count };
    });
  }

  /** Nothing is done about it any more while it is there. Twice is once. Throws FindingNotFound. */
  async ignore(id: string, actor: string): Promise<FindingView> {
    return this.database.system(async (tx) => {
      const row = await this.findings.locked(tx, id);
      if (!row) throw new FindingNotFound();
      if (row.state !== 'ignored') {
        await this.findings.set(tx, row, 'ignored');
        const { hostId, kind, name, reason } = row;
        const line = { action: 'finding.ignore', resource: 'finding', resourceId: id };
        await this.audit.record(tx, { ...line, tenantId: null, actor, data: { hostId, kind, name, reason } });
      }
      return toView(await tx.inventoryFinding.findUniqueOrThrow({ where: { id }, include: HOST }));
    });
  }
}
