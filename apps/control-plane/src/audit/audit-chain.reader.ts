import { Injectable } from '@nestjs/common';
import { Database, Prisma } from '#libs/database';
import { type ChainedLine, type ChainHead, chainOf, NO_HASH, tenantOf } from './audit-chain.js';

export interface StoredLine extends ChainedLine {
  readonly hash: Uint8Array;
}

/** What is known of a chain at one moment. */
export interface ChainState {
  readonly head: (ChainHead & { readonly seal: Uint8Array; readonly tenantId: string | null }) | undefined;
  /** Highest position that a line has; 0 without lines. */
  readonly last: bigint;
  /** Lines from before there was a chain. */
  readonly unchained: number;
  readonly tenantExists: boolean;
}

/** A line's place: what the next one was chained to. */
export interface Place extends ChainHead {
  readonly chain: string;
}

interface StateRow {
  readonly has_head: boolean;
  readonly seq: bigint;
  readonly hash: Uint8Array;
  readonly seal: Uint8Array;
  readonly head_tenant: string | null;
  readonly last: bigint;
  readonly unchained: number;
  readonly tenant_exists: boolean;
}

const ownedBy = (chain: string): Prisma.Sql => {
  const tenantId = tenantOf(chain);
  return tenantId === null ? Prisma.sql`tenant_id IS NULL` : Prisma.sql`tenant_id = ${tenantId}`;
};

/** Texts as the database has them, so that nothing is rounded on the way. */
const LINE = Prisma.sql`id, seq, actor, action, resource, resource_id AS "resourceId", data::text AS data,
  origin::text AS origin, request_id AS "requestId", hash,
  coalesce(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '') AS at`;

/** Reads chains for the verifier, past every tenant. */
@Injectable()
export class AuditChainReader {
  constructor(private readonly database: Database) {}

  /** Every chain there is or must be: of each tenant, the platform's, and any that lines or heads speak of. */
  async chains(): Promise<string[]> {
    const rows = await this.database.raw.$queryRaw<{ tenant_id: string | null }[]>`
      SELECT id AS tenant_id FROM tenants UNION SELECT NULL UNION SELECT tenant_id FROM audit_heads
      UNION SELECT tenant_id FROM audit_entries ORDER BY 1 NULLS FIRST`;
    return rows.map((row) => chainOf(row.tenant_id));
  }

  /** One statement, so that an append in between cannot look like a fault. */
  async state(chain: string): Promise<ChainState> {
    const [row] = await this.database.raw.$queryRaw<StateRow[]>`
      SELECT h.chain IS NOT NULL AS has_head, h.seq, h.hash, h.seal, h.tenant_id AS head_tenant,
        coalesce((SELECT seq FROM audit_entries WHERE ${ownedBy(chain)} AND seq > 0 ORDER BY seq DESC LIMIT 1), 0) AS last,
        (SELECT count(*)::int FROM audit_entries WHERE ${ownedBy(chain)} AND seq <= 0) AS unchained,
        EXISTS (SELECT 1 FROM tenants WHERE id = ${chain}) AS tenant_exists
      FROM (SELECT 1) one LEFT JOIN audit_heads h ON h.chain = ${chain}`;
    const { has_head, seq, hash, seal, head_tenant, last, unchained, tenant_exists } = row!;
    const head = has_head ? { seq, hash, seal, tenantId: head_tenant } : undefined;
    return { head, last, unchained, tenantExists: tenant_exists };
  }

  /** Lines in order, behind position `from` up to and with `last`; two with the same position are both given. */
  async *lines(chain: string, from: bigint, last: bigint, pageSize: number): AsyncGenerator<StoredLine[]> {
    let after = { seq: from + 1n, id: '' };
    for (;;) {
      const rows = await this.database.raw.$queryRaw<Omit<StoredLine, 'chain'>[]>`
        SELECT ${LINE} FROM audit_entries
        WHERE ${ownedBy(chain)} AND seq >= ${after.seq} AND seq <= ${last}
          AND (seq, id) > (${after.seq}, ${after.id})
        ORDER BY seq, id LIMIT ${pageSize}`;
      if (rows.length > 0) yield rows.map((row) => ({ ...row, chain }));
      if (rows.length < pageSize) return;
      after = rows.at(-1)!;
    }
  }

  /** Where a line might have been written instead: near its place in its chain, and at its place in others. */
  async otherPlaces(line: StoredLine, reach: bigint): Promise<Place[]> {
    const { chain, seq } = line;
    const [from, to] = [seq - reach, seq + reach];
    const near = await this.database.raw.$queryRaw<ChainHead[]>`
      SELECT seq, hash FROM audit_entries WHERE ${ownedBy(chain)} AND seq > 0 AND seq BETWEEN ${from} AND ${to}`;
    const elsewhere = await this.database.raw.$queryRaw<(ChainHead & { tenant_id: string | null })[]>`
      SELECT tenant_id, seq, hash FROM audit_entries
      WHERE tenant_id IS DISTINCT FROM ${tenantOf(chain)} AND seq > 0 AND seq BETWEEN ${from} AND ${to} LIMIT 100000`;
    const beginnings = await this.database.raw.$queryRaw<{ chain: string }[]>`SELECT chain FROM audit_heads`;
    return [
      ...beginnings.map((row) => ({ chain: row.chain, seq: 0n, hash: NO_HASH })),
      ...near.map((row) => ({ ...row, chain })),
      ...elsewhere.map(({ tenant_id, ...row }) => ({ ...row, chain: chainOf(tenant_id) })),
    ];
  }
}
