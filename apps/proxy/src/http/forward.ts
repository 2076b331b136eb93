import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { IncomingHttpHeaders } from 'undici/types/header.js';
import { BodyRelay, BodyTooLong } from './body-relay.js';
import { ClientGone, Dropped, type ForwardFault, isTimeout } from './forward-fault.js';
import { cleanResponseHeaders } from './headers.js';
import { bodyLength } from './request-check.js';
import type { RequestHead } from './request-head.js';
import type { Upstream, UpstreamPools } from './upstream-pools.js';

export interface ForwardPlan {
  readonly origin: string;
  readonly path: string;
  /** Flat name, value list. */
  readonly headers: string[];
  readonly bodyLimit: number;
  /** What was read of the body before. */
  readonly head?: RequestHead | undefined;
  /** Bodies up to this size can be sent again when the upstream has declined them; default none. */
  readonly replayLimit?: number;
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
  /** Headers added to the answer. */
  readonly answerHeaders?: Record<string, string>;
  /**
   * Sees status and headers before they are sent; true means: the caller answers itself and the upstream's answer is dropped.
   * `rewind` ends the exchange so that the request can be forwarded anew; undefined: too much of its body is gone.
   */
  readonly onAnswer?: (status: number, headers: IncomingHttpHeaders, rewind: () => Rewound | undefined) => boolean;
  /** Sees every chunk after it was passed on. */
  readonly onChunk?: (chunk: Buffer) => void;
  /** Called once at the end: with a fault while the answer has not begun (the caller answers), else only to be told. */
  readonly onEnd: (fault: ForwardFault | undefined, cause?: Error) => void;
}

/** A request as it was before it was sent. */
export interface Rewound {
  readonly head: RequestHead | undefined;
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Forwards one request and streams the answer back, chunk by chunk, at the pace of the slower side. Returns what ends it
 * early as if the client had gone: the upstream is told, and nothing more is written to the answer.
 */
export function forward(
  pools: UpstreamPools,
  req: IncomingMessage,
  res: ServerResponse,
  plan: ForwardPlan,
): () => void {
  const length = bodyLength(req);
  const upstream = length > plan.bodyLimit ? undefined : pools.acquire(plan.origin);
  if (!upstream) {
    plan.onEnd(length > plan.bodyLimit ? 'too-large' : 'busy');
    return () => undefined;
  }
  const exchange = new Exchange(pools, upstream, req, res, plan, length);
  exchange.start();
  return exchange.cancel;
}

class Exchange implements Dispatcher.DispatchHandler {
  #controller: Dispatcher.DispatchController | undefined;
  #begun = false;
  #passed = false;
  #over = false;
  #retried = false;
  #body: BodyRelay | undefined;
  #bodyFault: Error | undefined;

  constructor(
    private readonly pools: UpstreamPools,
    private readonly upstream: Upstream,
    private readonly req: IncomingMessage,
    private readonly res: ServerResponse,
    private readonly plan: ForwardPlan,
    private readonly length: number,
  ) {}

  start(): void {
    // It may have gone while its token was being checked; its close has been told already then.
    if (this.res.destroyed) return this.#finish('client-gone');
    this.res.on('close', this.cancel);
    this.#dispatch();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new ClientGone());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText?: string,
  ): void {
    // 1xx of the upstream concern the connection to it only.
    if (status < 200) return;
    this.#begun = true;
    if (this.plan.onAnswer?.(status, headers, () => this.#rewind())) {
      this.#finish(undefined);
      controller.abort(new Dropped());
      return;
    }
    this.#body?.forget();
    const answer = { ...cleanResponseHeaders(headers), ...this.plan.answerHeaders };
    this.res.writeHead(status, statusText || undefined, answer as Record<string, string | string[]>);
    // Headers travel with the first bytes when both came together; else at once: a stream's client waits for them.
    process.nextTick(() => {
      if (!this.#passed && !this.#over) this.res.flushHeaders();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    this.#passed = true;
    if (!this.res.write(chunk)) {
      controller.pause();
      this.res.once('drain', () => controller.resume());
    }
    this.plan.onChunk?.(chunk);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#finish(undefined);
    this.res.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#over) return;
    if (this.#begun) {
      this.#finish('broken', error);
      // The only honest end of an answer that was promised longer.
      this.res.destroy();
      return;
    }
    if (this.#mayRetry(error)) {
      this.#retried = true;
      this.#dispatch();
      return;
    }
    this.#finish(this.#faultOf(error), error);
  }

  readonly cancel = (): void => {
    if (this.#over) return;
    this.#finish('client-gone');
    this.#controller?.abort(new ClientGone());
  };

  #dispatch(): void {
    const { plan } = this;
    let body: BodyRelay | null = null;
    if (this.length !== 0) {
      this.#body = body = new BodyRelay(this.req, plan.bodyLimit, plan.head, plan.replayLimit);
      body.on('error', (error) => {
        this.#bodyFault = error;
      });
    }
    const method = this.req.method as Dispatcher.HttpMethod;
    const { path, headers, headersTimeout, bodyTimeout } = plan;
    try {
      this.upstream.pool.dispatch({ path, method, headers, body, headersTimeout, bodyTimeout }, this);
    } catch (error) {
      body?.destroy();
      this.onResponseError(null, error as Error);
    }
  }

  #rewind(): Rewound | undefined {
    if (!this.#body) return { head: undefined };
    const head = this.#body.rewind();
    return head && { head };
  }

  /** Once, when nothing of the answer has arrived and sending it again cannot do anything twice. */
  #mayRetry(error: Error): boolean {
    return !this.#retried && this.length === 0 && IDEMPOTENT.has(this.req.method ?? '') && !isTimeout(error);
  }

  #faultOf(error: Error): ForwardFault {
    if (this.#bodyFault instanceof BodyTooLong) return 'too-large';
    if (this.#bodyFault) return 'client-gone';
    return isTimeout(error) ? 'timeout' : 'unreachable';
  }

  #finish(fault: ForwardFault | undefined, cause?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.res.off('close', this.cancel);
    this.pools.release(this.upstream);
    this.plan.onEnd(fault, cause);
  }
}
