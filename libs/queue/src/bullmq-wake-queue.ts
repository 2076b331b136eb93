import { type BackendFactory, type IQueueBackend, type Job, Queue, Worker } from 'bullmq';
import { bestEffort, type CoordinationErrorHandler } from './supervised.js';
import { type Wake, type WakeHandler, type WakeKind, WakeQueue } from './wake-queue.js';

/** Time-outs in one place, in milliseconds. */
export const WAKE_TIMES = {
  /** A worker that died is noticed after at most lock + check interval; then its job runs elsewhere. */
  lock: 15_000,
  stalledCheck: 5_000,
  /** Pause after a failed fetch. */
  retry: 1_000,
  /** How long running handlers may take to end once the signal aborted. */
  stopGrace: 20_000,
} as const;

/** BullMQ keeps a log of its events, which nobody reads here. */
const KEPT_EVENTS = 100;

export interface QueueStore<B extends IQueueBackend, C> {
  readonly name: string;
  readonly connection: C;
  readonly backend: BackendFactory<B, C>;
  /** Redis only. */
  readonly prefix?: string;
}

interface WakeJob extends Wake {
  /** Set on a delayed wake: when due it becomes an immediate one, which is where overlaps are prevented. */
  readonly relay?: true;
}

const keep = { removeOnComplete: true, removeOnFail: true, attempts: 1 } as const;

/** Wakes over BullMQ, on whichever backend the store brings. */
export class BullWakeQueue<B extends IQueueBackend, C> extends WakeQueue {
  readonly #queue: Queue<WakeJob, void, string, WakeJob, void, string, B, C>;
  readonly #workers = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  constructor(
    private readonly store: QueueStore<B, C>,
    private readonly onError: CoordinationErrorHandler,
  ) {
    super();
    this.#queue = new Queue(
      store.name,
      { ...this.#options(), streams: { events: { maxLen: KEPT_EVENTS } } },
      store.backend,
    );
    this.#queue.on('error', (error) => onError(error, 'wake queue'));
  }

  /** Rejects when the store cannot be reached or prepared. */
  async start(): Promise<void> {
    await this.#queue.waitUntilReady();
  }

  async wake(kind: WakeKind, id: string, delayMs = 0): Promise<void> {
    await bestEffort(delayMs > 0 ? this.#addLater(kind, id, delayMs) : this.#addNow(kind, id), 'wake', this.onError);
  }

  async consume(handler: WakeHandler, options: { readonly concurrency: number }, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#closed.signal]);
    const run = this.#run(handler, options.concurrency, stop);
    this.#workers.add(run);
    await run.finally(() => this.#workers.delete(run));
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#workers);
    await this.#queue.close();
  }

  async #run(handler: WakeHandler, concurrency: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const worker = new Worker<WakeJob, void, string, B, never, C>(
      this.store.name,
      (job: Job<WakeJob>) => this.#handle(job.data, handler, signal),
      {
        ...this.#options(),
        concurrency,
        lockDuration: WAKE_TIMES.lock,
        stalledInterval: WAKE_TIMES.stalledCheck,
        runRetryDelay: WAKE_TIMES.retry,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
      this.store.backend,
    );
    worker.on('error', (error) => this.onError(error, 'wake worker'));
    worker.on('failed', (_job, error) => this.onError(error, 'wake handler'));
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await this.#stop(worker);
  }

  async #stop(worker: { close(force?: boolean): Promise<void> }): Promise<void> {
    const graceful = worker.close();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), WAKE_TIMES.stopGrace);
    });
    try {
      const outcome = await Promise.race([graceful, late]);
      // What still runs loses its lock; the job runs again elsewhere.
      if (outcome === 'late') this.onError(new Error('wake handlers did not end in time'), 'stop');
    } catch (error) {
      this.onError(error, 'stop');
    } finally {
      clearTimeout(timer);
    }
  }

  async #handle(job: WakeJob, handler: WakeHandler, signal: AbortSignal): Promise<void> {
    if (job.relay) await this.#addNow(job.kind, job.id);
    else await handler({ kind: job.kind, id: job.id }, signal);
  }

  async #addNow(kind: WakeKind, id: string): Promise<void> {
    await this.#queue.add(
      kind,
      { kind, id },
      { ...keep, deduplication: { id: `${kind}.${id}`, keepLastIfActive: true } },
    );
  }

  async #addLater(kind: WakeKind, id: string, delayMs: number): Promise<void> {
    const dueSecond = Math.ceil((Date.now() + delayMs) / 1000);
    const options = { ...keep, delay: delayMs, deduplication: { id: `${kind}.${id}.${dueSecond}` } };
    await this.#queue.add(kind, { kind, id, relay: true }, options);
  }

  #options() {
    return { connection: this.store.connection as never, ...(this.store.prefix ? { prefix: this.store.prefix } : {}) };
  }
}
