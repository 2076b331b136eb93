import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import type { EventCursor } from './event-cursor.js';

export interface OutboxEvent {
  readonly cursor: EventCursor;
  readonly topic: string;
  readonly tenantId: string;
  readonly aggregateId: string;
  readonly type: string;
  readonly data: unknown;
  readonly at: Date;
}

interface Row {
  readonly txid: bigint;
  readonly seq: bigint;
  readonly topic: string;
  readonly tenant_id: string;
  readonly aggregate_id: string;
  readonly type: string;
  readonly data: unknown;
  readonly at: Date;
}

/** Reads the outbox in commit-safe order: rows of a transaction appear once no older one is still running. */
@Injectable()
export class OutboxReader {
  constructor(private readonly database: Database) {}

  /** The place after which everything is still to come. */
  async tail(): Promise<EventCursor> {
    const [row] = await this.database.system(
      (tx) => tx.$queryRaw<{ xmin: bigint }[]>`SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin`,
    );
    return { txid: row!.xmin, seq: 0n };
  }

  async read(after: EventCursor, topics: readonly string[], limit: number): Promise<OutboxEvent[]> {
    return this.database.system((tx) => this.readIn(tx, after, topics, limit));
  }

  /** The same within a transaction, for readers that move on together with what they write. */
  async readIn(tx: Tx, after: EventCursor, topics: readonly string[], limit: number): Promise<OutboxEvent[]> {
    const rows = await tx.$queryRaw<Row[]>`
      SELECT txid, seq, topic, tenant_id, aggregate_id, type, data, at FROM outbox
      WHERE (txid, seq) > (${after.txid}::bigint, ${after.seq}::bigint)
        AND txid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        AND topic = ANY(${[...topics]}::text[])
      ORDER BY txid, seq LIMIT ${limit}`;
    return rows.map((row) => ({
      cursor: { txid: row.txid, seq: row.seq },
      topic: row.topic,
      tenantId: row.tenant_id,
      aggregateId: row.aggregate_id,
      type: row.type,
      data: row.data,
      at: row.at,
    }));
  }
}
