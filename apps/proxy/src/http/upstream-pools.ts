import { Pool } from 'undici';
import { LIMITS, TIMES } from '../proxy.limits.js';

/** One gateway's or provider's connections, and how many requests are in flight on them. */
export interface Upstream {
  readonly pool: Pool;
  inFlight: number;
  usedAt: number;
}

/** One bounded pool per upstream address; a pool that nobody has used for a while is closed. */
export class UpstreamPools {
  readonly #upstreams = new Map<string, Upstream>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(private readonly idle: number = TIMES.upstreamIdle) {
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(this.idle / 2, 10));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#upstreams.size;
  }

  /** The upstream at `origin` (`http://host:port`), or undefined when it has as much in flight as it may have. */
  acquire(origin: string): Upstream | undefined {
    let upstream = this.#upstreams.get(origin);
    if (!upstream) {
      upstream = { pool: this.#open(origin), inFlight: 0, usedAt: 0 };
      this.#upstreams.set(origin, upstream);
    }
    if (upstream.inFlight >= LIMITS.perUpstream) return undefined;
    upstream.inFlight += 1;
    return upstream;
  }

  /** Requests on their way to `origin`, or being answered by it; open sockets are none. */
  inFlight(origin: string): number {
    return this.#upstreams.get(origin)?.inFlight ?? 0;
  }

  release(upstream: Upstream): void {
    upstream.inFlight -= 1;
    upstream.usedAt = Date.now();
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const all = [...this.#upstreams.values()];
    this.#upstreams.clear();
    await Promise.all(all.map((upstream) => upstream.pool.destroy()));
  }

  #open(origin: string): Pool {
    return new Pool(origin, {
      connections: LIMITS.perUpstream,
      pipelining: 1,
      keepAliveTimeout: TIMES.upstreamIdle / 2,
      connectTimeout: TIMES.connect,
      // Streams are pushed chunk by chunk; HTTP/2 would add framing and flow control between us and a neighbour.
      allowH2: false,
    });
  }

  #sweep(): void {
    const oldest = Date.now() - this.idle;
    for (const [origin, upstream] of this.#upstreams) {
      if (upstream.inFlight > 0 || upstream.usedAt > oldest) continue;
      this.#upstreams.delete(origin);
      void upstream.pool.destroy();
    }
  }
}
