import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import type { Sighting } from './comparison.js';

export type FindingRow = Prisma.InventoryFindingGetPayload<object>;
export type FindingState = 'open' | 'quarantined' | 'repaired' | 'ignored' | 'gone';

/** States of findings that are about something that is there. */
export const CURRENT: readonly FindingState[] = ['open', 'quarantined', 'ignored'];

/** What is remembered beside the columns. */
export interface FindingDetail {
  readonly generation?: number | null;
  /** The newest transaction when it was first seen. */
  readonly seenAt?: string;
  readonly quarantinedAt?: string;
  readonly confirmedBy?: string;
  /** Too much was unknown to do anything about it. */
  readonly held?: boolean;
}

export const detailOf = (row: Pick<FindingRow, 'detail'>): FindingDetail => row.detail as FindingDetail;

/** What was found on hosts that the rows do not explain. */
@Injectable()
export class FindingsRepository {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** One more sighting of each. What had been closed begins anew, and so does another thing of the same name. */
  async sighted(tx: Tx, hostId: string, sightings: readonly Sighting[]): Promise<void> {
    const now = this.clock.now();
    for (const { kind, name, reason, gatewayId, message, generation } of sightings) {
      await tx.$executeRaw`
        INSERT INTO inventory_findings AS f (id, host_id, kind, name, gateway_id, reason, message, first_seen, last_seen, detail)
        VALUES (${this.ids.next('finding')}, ${hostId}, ${kind}, ${name}, ${gatewayId}, ${reason}, ${message}, ${now}, ${now},
          jsonb_build_object('generation', ${generation}::int, 'seenAt', pg_snapshot_xmax(pg_current_snapshot())::text))
        ON CONFLICT (host_id, kind, name, reason) DO UPDATE SET
          last_seen = excluded.last_seen, message = excluded.message, resolved_at = NULL,
          sightings = CASE WHEN f.state IN ('repaired', 'gone') OR f.detail->'generation' IS DISTINCT FROM excluded.detail->'generation'
            THEN 1 ELSE f.sightings + 1 END,
          first_seen = CASE WHEN f.state IN ('repaired', 'gone') OR f.detail->'generation' IS DISTINCT FROM excluded.detail->'generation'
            THEN excluded.first_seen ELSE f.first_seen END,
          detail = CASE WHEN f.state IN ('repaired', 'gone') OR f.detail->'generation' IS DISTINCT FROM excluded.detail->'generation'
            THEN excluded.detail ELSE f.detail END,
          state = CASE WHEN f.state IN ('repaired', 'gone') OR f.detail->'generation' IS DISTINCT FROM excluded.detail->'generation'
            THEN 'open' ELSE f.state END`;
    }
  }

  /** Of these reasons, what this round did not see is not there any more. */
  async closeOthers(tx: Tx, hostId: string, reasons: readonly string[], seen: readonly Sighting[]): Promise<void> {
    const keys = seen.map(({ kind, name, reason }) => `${kind} ${name} ${reason}`);
    const now = this.clock.now();
    await tx.$executeRaw`
      UPDATE inventory_findings SET state = 'gone', resolved_at = ${now}
      WHERE host_id = ${hostId} AND reason = ANY(${[...reasons]}) AND state = ANY(${[...CURRENT]})
        AND NOT (kind || ' ' || name || ' ' || reason = ANY(${keys}))`;
  }

  /** What is there now, oldest first, and whether every transaction of the time of its first sighting has ended. */
  async current(tx: Tx, hostId: string): Promise<(FindingRow & { readonly settled: boolean })[]> {
    const where = { hostId, state: { in: [...CURRENT] } };
    const rows = await tx.inventoryFinding.findMany({ where, orderBy: { firstSeen: 'asc' } });
    const oldest = await tx.$queryRaw<{ xmin: bigint }[]>`
      SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin`;
    const ended = (seenAt: string | undefined): boolean =>
      seenAt !== undefined && BigInt(seenAt) <= (oldest[0]?.xmin ?? 0n);
    return rows.map((row) => ({ ...row, settled: ended(detailOf(row).seenAt) }));
  }

  /** Holds the finding's row; undefined when it is not current any more. */
  async locked(tx: Tx, id: string): Promise<FindingRow | undefined> {
    await tx.$queryRaw`SELECT 1 FROM inventory_findings WHERE id = ${id} FOR UPDATE`;
    const where = { id, state: { in: [...CURRENT] } };
    return (await tx.inventoryFinding.findFirst({ where })) ?? undefined;
  }

  async set(tx: Tx, row: FindingRow, state: FindingState, detail: FindingDetail = {}): Promise<void> {
    const resolvedAt = CURRENT.includes(state) ? null : this.clock.now();
    const merged = { ...detailOf(row), ...detail };
    await tx.inventoryFinding.update({ where: { id: row.id }, data: { state, resolvedAt, detail: merged } });
  }
}
