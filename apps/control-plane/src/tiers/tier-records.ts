import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { Outbox } from '../outbox/outbox.js';
import type { TierRow } from './tier-definition.js';
import { TierNotFound } from './tiers.errors.js';

export interface TierCaller {
  readonly tenantId: string;
  readonly actor: string;
}

export type TierVersionRow = Prisma.TierVersionGetPayload<object>;

/** Tiers as rows, their versions, and what is written about a change of them. */
@Injectable()
export class TierRecords {
  constructor(
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
  ) {}

  async find(tx: Tx, tenantId: string, key: string): Promise<TierRow | undefined> {
    return (await tx.tier.findUnique({ where: { tenantId_key: { tenantId, key } } })) ?? undefined;
  }

  /** Throws TierNotFound. */
  async get(tx: Tx, tenantId: string, key: string): Promise<TierRow> {
    const row = await this.find(tx, tenantId, key);
    if (!row) throw new TierNotFound();
    return row;
  }

  /** One change of a tenant's tiers at a time. */
  async lock(tx: Tx, tenantId: string): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`tiers:${tenantId}`}, 0))`;
  }

  async locked(tx: Tx, tenantId: string, key: string): Promise<TierRow> {
    await this.lock(tx, tenantId);
    return this.get(tx, tenantId, key);
  }

  async update(tx: Tx, before: TierRow, data: Prisma.TierUpdateInput): Promise<TierRow> {
    return tx.tier.update({ where: { id: before.id }, data: { ...data, version: { increment: 1 } } });
  }

  async countOffered(tx: Tx, tenantId: string): Promise<number> {
    return tx.tier.count({ where: { tenantId, retiredAt: null } });
  }

  async externalIds(tx: Tx, tenantId: string, ids: readonly string[]): Promise<string[]> {
    const where = { tenantId, id: { in: [...ids] } };
    const rows = await tx.member.findMany({ where, select: { externalId: true }, orderBy: { id: 'asc' } });
    return rows.map((row) => row.externalId);
  }

  /** Newest first. */
  async versions(
    tx: Tx,
    tier: TierRow,
    page: { readonly before: number | undefined; readonly limit: number },
  ): Promise<TierVersionRow[]> {
    return tx.tierVersion.findMany({
      where: { tierId: tier.id, tenantId: tier.tenantId, ...(page.before ? { version: { lt: page.before } } : {}) },
      orderBy: { version: 'desc' },
      take: page.limit,
    });
  }

  /** Call it last in the transaction. */
  async tell(tx: Tx, caller: TierCaller, action: string, tier: TierRow, data: Prisma.InputJsonObject): Promise<void> {
    const { tenantId, actor } = caller;
    const all = { tier: tier.key, ...data };
    await this.outbox.append(tx, { tenantId, topic: 'tenants', aggregateId: tier.id, type: action, data: all });
    await this.audit.record(tx, { tenantId, actor, action, resource: 'tier', resourceId: tier.id, data: all });
  }

  async tellTemplate(tx: Tx, caller: TierCaller, template: string, keys: readonly string[]): Promise<void> {
    const { tenantId, actor } = caller;
    const data = { template, added: [...keys] };
    const line = { action: 'tier.apply-template', resource: 'tenant', resourceId: tenantId, data };
    await this.audit.record(tx, { tenantId, actor, ...line });
  }
}
