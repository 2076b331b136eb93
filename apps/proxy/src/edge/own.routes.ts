import type { RouteTable } from '#libs/routing';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProxyProblem } from '../proxy.errors.js';
import type { ProxyMetrics } from '../proxy.metrics.js';
import { sendJson } from './sign-in.routes.js';

const PATHS = new Set(['/health', '/ready', '/metrics']);

/** The proxy's own state, on hosts that are no tenant's. */
export class OwnRoutes {
  /** Set when the process is about to end: whoever balances load sends nothing new. */
  draining = false;

  constructor(
    private readonly table: RouteTable,
    private readonly metrics: ProxyMetrics,
    private readonly feedConnected: () => boolean,
  ) {}

  serves(path: string): boolean {
    return PATHS.has(path);
  }

  async handle(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    if (!this.serves(path) || (req.method !== 'GET' && req.method !== 'HEAD')) throw new ProxyProblem('unknown-host');
    if (path === '/health') return sendJson(res, 200, { status: 'ok' }, {});
    if (path === '/ready') return this.#ready(res);
    const text = await this.metrics.registry.metrics();
    res.writeHead(200, { 'Content-Type': this.metrics.registry.contentType, 'Cache-Control': 'no-store' }).end(text);
  }

  #ready(res: ServerResponse): void {
    const position = this.table.position;
    const ready = position !== undefined && !this.draining;
    const status = this.draining ? 'draining' : ready ? 'ready' : 'waiting for routes';
    const routes = { ...position, ...this.table.size, feed: this.feedConnected() ? 'connected' : 'down' };
    sendJson(res, ready ? 200 : 503, { status, routes }, ready ? {} : { 'Retry-After': '1' });
  }
}
