import { Injectable } from '@nestjs/common';
import { type Prisma, type Tx } from '#libs/database';
import { InvalidRequest } from '../http/http.errors.js';
import { tenantOf } from './audit-chain.js';

export interface AuditFilter {
  readonly actor?: string | undefined;
  /** A whole action or the beginning of one. */
  readonly action?: string | undefined;
  readonly resource?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface AuditEntryView {
  readonly id: string;
  readonly tenantId: string | null;
  /** Position in the chain; 0 and below are lines from before there was a chain. */
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  readonly data: unknown;
  readonly origin: unknown;
  readonly requestId: string | null;
  /** Hexadecimal; with `seq` an anchor of the chain. */
  readonly hash: string;
}

type Row = Prisma.AuditEntryGetPayload<object>;

const toView = (row: Row): AuditEntryView => ({
  id: row.id,
  tenantId: row.tenantId,
  seq: Number(row.seq),
  at: row.at.toISOString(),
  actor: row.actor,
  action: row.action,
  resource: row.resource,
  resourceId: row.resourceId,
  data: row.data,
  origin: row.origin,
  requestId: row.requestId,
  hash: Buffer.from(row.hash).toString('hex'),
});

function whereOf(filter: AuditFilter): Prisma.AuditEntryWhereInput {
  const { actor, action, resource, resourceId, requestId, from, to } = filter;
  const exact = { actor, resource, resourceId, requestId };
  return {
    ...Object.fromEntries(Object.entries(exact).filter(([, value]) => value !== undefined)),
    ...(action === undefined ? {} : { action: { startsWith: action } }),
    ...(from === undefined && to === undefined
      ? {}
      : { at: { ...(from ? { gte: new Date(from) } : {}), ...(to ? { lt: new Date(to) } : {}) } }),
  };
}

/** Where a page begins: in a chain a position, across chains an id (ids begin with their time). */
export interface AuditPage {
  readonly order: 'asc' | 'desc';
  readonly beyond: string | undefined;
  readonly limit: number;
}

/** The `beyond` of the page after `entry`. */
export const placeOf = (chain: string | undefined, entry: AuditEntryView): string =>
  chain === undefined ? entry.id : String(entry.seq);

/** Reads the audit log. It is written by `AuditLog` alone, and never changed. */
@Injectable()
export class AuditRepository {
  /** Lines of one chain, or of all when `chain` is undefined (in a system transaction). Throws InvalidRequest for a foreign cursor. */
  async list(tx: Tx, chain: string | undefined, filter: AuditFilter, page: AuditPage): Promise<AuditEntryView[]> {
    const { order, beyond, limit } = page;
    const next = order === 'asc' ? 'gt' : 'lt';
    const place =
      chain === undefined
        ? { id: beyond === undefined ? {} : { [next]: beyond } }
        : { tenantId: tenantOf(chain), seq: beyond === undefined ? {} : { [next]: positionOf(beyond) } };
    const orderBy = chain === undefined ? { id: order } : { seq: order };
    const rows = await tx.auditEntry.findMany({ where: { ...whereOf(filter), ...place }, orderBy, take: limit });
    return rows.map(toView);
  }
}

function positionOf(text: string): bigint {
  if (/^-?\d{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidRequest([{ field: 'cursor', message: 'cursor must be the nextCursor of a former page' }]);
}
