import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Ids } from '#libs/kernel';
import type { Sealed } from './envelope.js';
import type { SecretPurpose } from './secret-rules.js';

/** Everything but the sealed value, which the role of tenants may not even read. */
const VIEW = {
  id: true,
  memberId: true,
  purpose: true,
  name: true,
  hint: true,
  version: true,
  createdBy: true,
  createdAt: true,
  updatedAt: true,
} satisfies Prisma.SecretSelect;

export type SecretRow = Prisma.SecretGetPayload<{ select: typeof VIEW }>;

export interface SecretPlace {
  readonly memberId: string | null;
  readonly purpose: SecretPurpose;
  readonly name: string;
}

export interface SecretFilter {
  readonly purpose?: SecretPurpose | undefined;
  /** Undefined: whoever's. */
  readonly memberId?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Tenants' secrets as rows, without their values. Runs in the caller's tenant transaction. */
@Injectable()
export class SecretsRepository {
  constructor(private readonly ids: Ids) {}

  /** Writers of one owner's secrets wait for each other until the transaction ends. */
  async lock(tx: Tx, tenantId: string, memberId: string | null): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`secrets:${tenantId}:${memberId ?? ''}`}, 0))`;
  }

  async find(tx: Tx, tenantId: string, place: SecretPlace): Promise<SecretRow | undefined> {
    return (await tx.secret.findFirst({ where: { tenantId, ...place }, select: VIEW })) ?? undefined;
  }

  async count(tx: Tx, tenantId: string, memberId: string | null): Promise<number> {
    return tx.secret.count({ where: { tenantId, memberId }, select: { id: true } }).then(({ id }) => id);
  }

  async list(tx: Tx, tenantId: string, filter: SecretFilter): Promise<SecretRow[]> {
    return tx.secret.findMany({
      where: {
        tenantId,
        ...(filter.purpose ? { purpose: filter.purpose } : {}),
        ...(filter.memberId ? { memberId: filter.memberId } : {}),
        ...(filter.after ? { id: { gt: filter.after } } : {}),
      },
      select: VIEW,
      orderBy: { id: 'asc' },
      take: filter.limit,
    });
  }

  async create(
    tx: Tx,
    tenantId: string,
    place: SecretPlace,
    value: Sealed & { readonly hint: string | null; readonly createdBy: string },
  ): Promise<SecretRow> {
    return tx.secret.create({ data: { id: this.ids.next('secret'), tenantId, ...place, ...value }, select: VIEW });
  }

  async replace(
    tx: Tx,
    tenantId: string,
    id: string,
    value: Sealed & { readonly hint: string | null },
  ): Promise<SecretRow> {
    return tx.secret.update({ where: { id, tenantId }, data: { ...value, version: { increment: 1 } }, select: VIEW });
  }

  async delete(tx: Tx, tenantId: string, id: string): Promise<void> {
    await tx.secret.delete({ where: { id, tenantId }, select: { id: true } });
  }

  /** External ids by member id, for views. */
  async externalIds(tx: Tx, tenantId: string, rows: readonly SecretRow[]): Promise<ReadonlyMap<string, string>> {
    const ids = [...new Set(rows.flatMap((row) => row.memberId ?? []))];
    if (ids.length === 0) return new Map();
    const members = await tx.member.findMany({
      where: { tenantId, id: { in: ids } },
      select: { id: true, externalId: true },
    });
    return new Map(members.map((member) => [member.id, member.externalId]));
  }

  async memberId(tx: Tx, tenantId: string, externalId: string): Promise<string | undefined> {
    const where = { tenantId_externalId: { tenantId, externalId } };
    return (await tx.member.findUnique({ where, select: { id: true } }))?.id;
  }

  /** Every gateway that serves these agents gets its files anew; its reconciler finds it due. */
  async redeliver(tx: Tx, tenantId: string, memberId: string | null): Promise<void> {
    await tx.$executeRaw`
      UPDATE gateways SET config_generation = config_generation + 1, due_at = now()
      WHERE tenant_id = ${tenantId} AND phase <> 'deleted' AND id IN (
        SELECT attached_to FROM agents
        WHERE tenant_id = ${tenantId} AND attached_to IS NOT NULL AND (${memberId}::text IS NULL OR member_id = ${memberId}))`;
  }
}
