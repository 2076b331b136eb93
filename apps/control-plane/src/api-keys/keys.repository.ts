import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import type { Page } from '../http/cursor.js';

export type KeyRow = Prisma.ApiKeyGetPayload<object>;

/** Whose keys: a tenant's, an operator's (null), or anybody's (for operators). */
export type KeyOwner = string | null | 'anybody';

export interface KeyView {
  readonly id: string;
  /** Null: an operator's key. */
  readonly tenantId: string | null;
  /** Of an operator's key: the tenant that tenant routes act on. */
  readonly defaultTenantId: string | null;
  readonly name: string;
  /** The part of the key that is no secret. */
  readonly prefix: string;
  readonly status: 'active' | 'expired' | 'revoked';
  readonly scopes: readonly string[];
  readonly readOnly: boolean;
  readonly allowedIps: readonly string[];
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  /** To the minute. */
  readonly lastUsedAt: string | null;
  /** The key that took this one's place. */
  readonly replacedBy: string | null;
  readonly createdBy: string | null;
  readonly createdAt: string;
}

export type KeyPage = Page<KeyView>;

export const isActive = (row: KeyRow, now: Date): boolean =>
  row.revokedAt === null && (row.expiresAt === null || row.expiresAt > now);

export const toKeyView = (row: KeyRow, now: Date): KeyView => ({
  id: row.id,
  tenantId: row.tenantId,
  defaultTenantId: row.defaultTenantId,
  name: row.name,
  prefix: row.prefix,
  status: row.revokedAt !== null ? 'revoked' : isActive(row, now) ? 'active' : 'expired',
  scopes: row.scopes,
  readOnly: row.readOnly,
  allowedIps: row.allowedIps,
  expiresAt: row.expiresAt?.toISOString() ?? null,
  revokedAt: row.revokedAt?.toISOString() ?? null,
  lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  replacedBy: row.replacedById,
  createdBy: row.createdBy,
  createdAt: row.createdAt.toISOString(),
});

const ofOwner = (owner: KeyOwner): { tenantId?: string | null } => (owner === 'anybody' ? {} : { tenantId: owner });

/** Keys as rows, in the caller's transaction. */
@Injectable()
export class KeysRepository {
  async list(tx: Tx, owner: KeyOwner, after: string | undefined, limit: number): Promise<KeyRow[]> {
    const where = { ...ofOwner(owner), ...(after ? { id: { lt: after } } : {}) };
    return tx.apiKey.findMany({ where, orderBy: { id: 'desc' }, take: limit });
  }

  async find(tx: Tx, owner: KeyOwner, id: string): Promise<KeyRow | undefined> {
    return (await tx.apiKey.findFirst({ where: { ...ofOwner(owner), id } })) ?? undefined;
  }

  /** The row, held until the transaction ends: two rotations of one key wait for each other. */
  async lock(tx: Tx, owner: KeyOwner, id: string): Promise<KeyRow | undefined> {
    await tx.$queryRaw`SELECT 1 FROM api_keys WHERE id = ${id} FOR UPDATE`;
    return this.find(tx, owner, id);
  }

  async countActive(tx: Tx, tenantId: string | null, now: Date): Promise<number> {
    const unexpired = { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] };
    return tx.apiKey.count({ where: { tenantId, revokedAt: null, ...unexpired } });
  }
}
