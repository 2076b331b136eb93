import { ROUTE_HEARTBEAT_SECONDS, type RouteFrame } from '#libs/contracts';
import { backoff, delay } from '#libs/kernel';
import { Client } from 'undici';
import { LineReader } from './line-reader.js';
import { parseFrame } from './route-frame.js';
import { type RouteLog, silentLog } from './route-log.js';
import type { RouteTable } from './route-table.js';

/** Times in milliseconds, sizes in bytes. */
export const FEED_LIMITS = {
  /** Silence after which a connection counts as dead. */
  silence: 3 * ROUTE_HEARTBEAT_SECONDS * 1000,
  connect: 5_000,
  headers: 10_000,
  backoffBase: 100,
  backoffCap: 1_000,
  line: 128 * 1024 * 1024,
} as const;

export interface RouteFeedOptions {
  /** Address of the control plane. */
  readonly url: string;
  /** Reads the proxy credential; asked on every connect, so that a rotated one is picked up. */
  readonly credential: () => Promise<string>;
  readonly table: RouteTable;
  /** Called after every frame that changed the table. */
  readonly onChange?: () => void;
  readonly log?: RouteLog;
  /** Shorter times for tests. */
  readonly limits?: { readonly silence?: number; readonly backoffBase?: number; readonly backoffCap?: number };
}

/** Follows `GET /internal/routes` for as long as it lives: snapshot, deltas, and a new connection after every fault. */
export class RouteFeedClient {
  readonly #log: RouteLog;
  readonly #limits: { silence: number; backoffBase: number; backoffCap: number };
  #connected = false;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RouteFeedOptions) {
    this.#log = options.log ?? silentLog;
    this.#limits = { ...FEED_LIMITS, ...options.limits };
  }

  /** True while a connection delivers frames. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Milliseconds since the last frame; infinite before the first. */
  get silence(): number {
    return performance.now() - this.#heardAt;
  }

  /** Resolves when the signal aborts, and never rejects: a fault is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#follow(signal, () => {
          attempt = 0;
        });
      } catch (error) {
        if (signal.aborted) break;
        // Said once per outage at warn; the retries that follow are detail.
        this.#log(attempt === 0 ? 'warn' : 'debug', 'route feed lost, trying again', {
          reason: (error as Error).message,
        });
      }
      this.#connected = false;
      await delay(backoff(attempt, this.#limits.backoffBase, this.#limits.backoffCap), signal).catch(() => undefined);
    }
    this.#connected = false;
  }

  /** One connection, from the request to the first fault, which it throws. */
  async #follow(signal: AbortSignal, onGoodFrame: () => void): Promise<void> {
    const client = new Client(new URL(this.options.url).origin, { connect: { timeout: FEED_LIMITS.connect } });
    try {
      const { statusCode, body } = await client.request({
        path: '/internal/routes',
        method: 'GET',
        headers: { accept: 'application/x-ndjson', authorization: `Bearer ${await this.options.credential()}` },
        signal,
        headersTimeout: FEED_LIMITS.headers,
        bodyTimeout: this.#limits.silence,
      });
      if (statusCode !== 200) throw new Error(`the control plane answered ${statusCode}`);
      const reader = new LineReader(FEED_LIMITS.line);
      for await (const chunk of body as AsyncIterable<Buffer>) {
        for (const line of reader.push(chunk)) {
          // A snapshot alone proves nothing: a feed that fails right after each one must not be asked without pause.
          if (this.#take(line) !== 'snapshot') onGoodFrame();
        }
      }
      throw new Error('the control plane ended the feed');
    } finally {
      await client.destroy();
    }
  }

  #take(line: string): RouteFrame['type'] {
    const frame = parseFrame(line);
    const outcome = this.options.table.apply(frame);
    if (outcome === 'gap') throw new Error('the feed skipped a version');
    if (outcome === 'stale') throw new Error('the feed offered an older snapshot than the table in use');
    if (outcome === 'empty') throw new Error('the feed offered an empty snapshot of the same database');
    if (frame.type === 'snapshot') {
      this.#log('info', 'route table received', {
        epoch: frame.epoch,
        version: frame.version,
        ...this.options.table.size,
      });
    }
    this.#connected = true;
    this.#heardAt = performance.now();
    if (outcome === 'applied') this.options.onChange?.();
    return frame.type;
  }
}
