import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { OperationView } from '#libs/contracts';
import { Database } from '#libs/database';
import { delay } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { OUTBOX_CHANNEL } from '../outbox/outbox.js';
import { OperationNotFound } from './operations.errors.js';
import { OperationsRepository, toOperationView } from './operations.repository.js';

/** Notices can get lost; an open stream reads this often anyway. */
const POLL_MS = 1_000;
export const KEEP_ALIVE_MS = 15_000;

/** One event of an operation's stream; `id` is what `Last-Event-ID` takes. Null: nothing happened for a while. */
export type OperationEvent = {
  readonly id: string;
  readonly event: 'step' | 'done';
  readonly data: OperationView;
} | null;

@Injectable()
export class OperationsService implements BeforeApplicationShutdown {
  readonly #stop = new AbortController();

  constructor(
    private readonly database: Database,
    private readonly operations: OperationsRepository,
    private readonly notifier: ChangeNotifier,
  ) {}

  /** Before the server closes: it would wait for open streams. Their readers come back with the last event they saw. */
  beforeApplicationShutdown(): void {
    this.#stop.abort();
  }

  async get(tenantId: string, id: string): Promise<OperationView> {
    return this.database.tenant(tenantId, async (tx) => {
      const row = await this.operations.find(tx, tenantId, id);
      if (!row) throw new OperationNotFound();
      return toOperationView(row);
    });
  }

  async list(tenantId: string, after: string | undefined, limit: number): Promise<OperationView[]> {
    return this.database.tenant(tenantId, async (tx) =>
      (await this.operations.list(tx, tenantId, after, limit)).map(toOperationView),
    );
  }

  /** Everything that happened after `lastEventId`, then what happens, until the operation is done or the signal aborts. */
  async *follow(
    tenantId: string,
    id: string,
    lastEventId: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<OperationEvent> {
    const over = AbortSignal.any([signal, this.#stop.signal]);
    let after = lastEventId;
    let waiting = new AbortController();
    const look = () => waiting.abort();
    const unsubscribe = await this.notifier.subscribe(OUTBOX_CHANNEL, look, look);
    let quietSince = Date.now();
    try {
      while (!over.aborted) {
        waiting = new AbortController();
        for (const event of await this.#eventsAfter(tenantId, id, after)) {
          after = BigInt(event.id);
          quietSince = Date.now();
          yield event;
          if (event.event === 'done') return;
        }
        // Older events may be gone (they are kept for a week): a finished operation still ends the stream.
        if (await this.#isOver(tenantId, id, after)) return;
        if (Date.now() - quietSince >= KEEP_ALIVE_MS) {
          quietSince = Date.now();
          yield null;
        }
        await delay(POLL_MS, AbortSignal.any([over, waiting.signal])).catch(() => undefined);
      }
    } finally {
      await unsubscribe();
    }
  }

  async #eventsAfter(tenantId: string, id: string, after: bigint): Promise<NonNullable<OperationEvent>[]> {
    const rows = await this.database.tenant(tenantId, (tx) =>
      tx.outbox.findMany({
        where: { tenantId, aggregateId: id, seq: { gt: after }, type: { in: ['step', 'done'] } },
        orderBy: { seq: 'asc' },
      }),
    );
    return rows.map((row) => ({
      id: String(row.seq),
      event: row.type as 'step' | 'done',
      data: row.data as unknown as OperationView,
    }));
  }

  async #isOver(tenantId: string, id: string, after: bigint): Promise<boolean> {
    return this.database.tenant(tenantId, async (tx) => {
      const row = await this.operations.find(tx, tenantId, id);
      if (!row?.finishedAt) return false;
      return (await tx.outbox.count({ where: { tenantId, aggregateId: id, seq: { gt: after } } })) === 0;
    });
  }
}
