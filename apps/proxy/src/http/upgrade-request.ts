import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { IncomingHttpHeaders } from 'undici/types/header.js';
import { ClientGone, Dropped, type ForwardFault, isTimeout } from './forward-fault.js';
import type { Upstream, UpstreamPools } from './upstream-pools.js';

export interface UpgradePlan {
  readonly origin: string;
  readonly path: string;
  readonly headers: string[];
  readonly headersTimeout: number;
  readonly onUpgrade: (headers: IncomingHttpHeaders, socket: Duplex) => void;
  /** The upstream declined with an ordinary answer; its body is not passed on. */
  readonly onDeclined: (status: number, headers: IncomingHttpHeaders) => void;
  readonly onFault: (fault: ForwardFault, cause?: Error) => void;
}

/** Asks the upstream for a WebSocket. Returns what cancels it while it is not there yet. */
export function requestUpgrade(pools: UpstreamPools, plan: UpgradePlan): () => void {
  const upstream = pools.acquire(plan.origin);
  if (!upstream) {
    plan.onFault('busy');
    return () => undefined;
  }
  const attempt = new UpgradeAttempt(pools, upstream, plan);
  attempt.start();
  return () => attempt.cancel();
}

class UpgradeAttempt implements Dispatcher.DispatchHandler {
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #retried = false;

  constructor(
    private readonly pools: UpstreamPools,
    private readonly upstream: Upstream,
    private readonly plan: UpgradePlan,
  ) {}

  start(): void {
    const { path, headers, headersTimeout } = this.plan;
    try {
      this.upstream.pool.dispatch({ path, method: 'GET', headers, headersTimeout, upgrade: 'websocket' }, this);
    } catch (error) {
      this.onResponseError(null, error as Error);
    }
  }

  cancel(): void {
    if (!this.#finish()) return;
    this.#controller?.abort(new ClientGone());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new ClientGone());
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    _status: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    if (this.#finish()) this.plan.onUpgrade(headers, socket);
    else socket.destroy();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    if (this.#finish()) this.plan.onDeclined(status, headers);
    controller.abort(new Dropped());
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#over) return;
    const timedOut = isTimeout(error);
    if (!this.#retried && !timedOut) {
      this.#retried = true;
      this.start();
      return;
    }
    if (this.#finish()) this.plan.onFault(timedOut ? 'timeout' : 'unreachable', error);
  }

  /** True the first time. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.pools.release(this.upstream);
    return true;
  }
}
