import type { AgentRoute } from '#libs/contracts';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ForwardFault } from '../http/forward-fault.js';
import { hostOf, isMisrouted, isSuspending } from '../http/headers.js';
import { sendProblemOnSocket } from '../http/problem.js';
import { checkFraming, type Target, targetOf } from '../http/request-check.js';
import { nextRequestId } from '../http/request-id.js';
import { requestUpgrade } from '../http/upgrade-request.js';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { Access } from './agent-access.js';
import { plainProtocols } from './credentials.js';
import { type EdgeParts, FAULT_PROBLEMS } from './edge.parts.js';
import { SocketAccess } from './socket-access.js';
import { SocketPipe } from './socket-pipe.js';
import { type Site, siteOf } from './tenancy.js';
import { originOf, upstreamHeaders, upstreamPath } from './upstream-request.js';
import type { Visit } from './waiting-room.js';

/** Set anew, because the token must not travel among the subprotocols. */
const REPLACED: ReadonlySet<string> = new Set(['authorization', 'sec-websocket-protocol', 'content-length']);
/** Of the gateway's handshake answer, what the client needs. */
const HANDSHAKE = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions'];

/** One handshake, from its admission to the joined sockets. */
interface Handshake {
  readonly req: IncomingMessage;
  readonly socket: Socket;
  readonly site: Site;
  readonly target: Target;
  readonly requestId: string;
}

/** WebSockets: the handshake is judged and forwarded like a request, then two sockets are joined. */
export class EdgeUpgrades {
  /** With the route that each was opened by. */
  readonly #pipes = new Map<SocketPipe, AgentRoute>();
  #draining = false;

  constructor(private readonly parts: EdgeParts) {}

  get open(): number {
    return this.#pipes.size;
  }

  /** Never rejects. */
  async handle(req: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const requestId = nextRequestId();
    socket.on('error', () => socket.destroy());
    try {
      const target = this.#check(req);
      const site = siteOf(this.parts.table, hostOf(req.headers.host), target.path);
      if (!site) throw new ProxyProblem(this.parts.table.position ? 'unknown-host' : 'routes-not-loaded');
      const access = await this.parts.access.decide(req, site, true);
      if (!access) throw new ProxyProblem('path-not-found');
      if (socket.destroyed) return;
      if (head.length > 0) socket.unshift(head);
      const handshake = { req, socket, site, target, requestId };
      if (access.agent.state === 'live') this.#connect(handshake, access);
      else await this.#hold(handshake, access);
    } catch (error) {
      this.#refuse(socket, error, requestId);
    }
  }

  /** Tells every client to come back elsewhere, each at a random moment within the time given. */
  drain(): void {
    this.#draining = true;
    const jitter = Math.min(TIMES.drainJitter, this.#pipes.size * TIMES.drainJitterPerSocket);
    for (const pipe of this.#pipes.keys()) setTimeout(() => pipe.leave(), Math.random() * jitter);
  }

  /**
   * The agent is on another gateway now. One that let go of it has closed its sockets by itself; one that could not be told,
   * on a host that was given up, must not go on answering.
   */
  leaveFormer(route: AgentRoute): void {
    for (const [pipe, { agentId, gatewayId }] of this.#pipes)
      if (agentId === route.agentId && gatewayId !== route.gatewayId) pipe.leave();
  }

  #check(req: IncomingMessage): Target {
    if ((req.url ?? '').length > LIMITS.url) throw new ProxyProblem('url-too-long');
    checkFraming(req);
    const { headers } = req;
    const bodyless = (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined;
    const websocket = headers.upgrade?.toLowerCase() === 'websocket' && headers['sec-websocket-version'] === '13';
    if (req.method !== 'GET' || !websocket || !bodyless || !headers['sec-websocket-key'])
      throw new ProxyProblem('upgrade-invalid');
    return targetOf(req);
  }

  /** Waits until the agent can take it. Rejects with what to refuse it with. */
  async #hold(handshake: Handshake, access: Access, earlier?: Omit<Visit, 'left'>): Promise<void> {
    const { req, socket, site } = handshake;
    const gone = new AbortController();
    const leave = () => gone.abort();
    socket.once('close', leave).once('end', leave);
    const visit = { since: performance.now(), ...earlier, left: gone.signal };
    try {
      let now = access;
      do {
        await this.parts.room.wait(now.agent, { ...visit, unknown: now.grant === undefined });
        now = (await this.parts.access.decide(req, site, true)) ?? now;
      } while (now.agent.state !== 'live');
      this.#connect(handshake, now, visit.since);
    } finally {
      socket.off('close', leave).off('end', leave);
    }
  }

  #connect(handshake: Handshake, access: Access, since?: number): void {
    const { req, socket, site, target, requestId } = handshake;
    const holder = new SocketAccess(this.parts.access, this.parts.live, site, access);
    const headers = upstreamHeaders(req, access, this.parts.scheme, requestId, REPLACED);
    const protocols = plainProtocols(req);
    if (protocols) headers.push('Sec-WebSocket-Protocol', protocols);
    const cancel = requestUpgrade(this.parts.pools, {
      origin: originOf(access.agent),
      path: upstreamPath(access, target),
      headers,
      headersTimeout: TIMES.gatewayHeaders,
      onUpgrade: (answer, upstream) => {
        socket.off('close', cancel);
        this.#join(socket, upstream as Socket, answer, requestId, holder, access.agent);
      },
      onDeclined: (status, headers) => {
        const because = isSuspending(status, headers) ? 'asleep' : isMisrouted(status, headers) ? 'moved' : undefined;
        if (!because) return this.#declined(socket, status, requestId);
        socket.off('close', cancel);
        const refused = { route: access.agent, because } as const;
        const visit = { since: since ?? performance.now(), refused };
        this.#hold(handshake, access, visit).catch((error: unknown) => this.#refuse(socket, error, requestId));
      },
      onFault: (fault, cause) => this.#fault(socket, access, requestId, fault, cause),
    });
    socket.once('close', cancel);
  }

  #join(
    socket: Socket,
    upstream: Socket,
    answer: Record<string, string | string[] | undefined>,
    requestId: string,
    holder: SocketAccess,
    route: AgentRoute,
  ): void {
    if (socket.destroyed) {
      upstream.destroy();
      return;
    }
    const lines = HANDSHAKE.filter((name) => answer[name] !== undefined).map(
      (name) => `${name}: ${String(answer[name])}\r\n`,
    );
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Request-Id: ${requestId}\r\n${lines.join('')}\r\n`,
    );
    const onClose = (closed: SocketPipe) => {
      this.#pipes.delete(closed);
      holder.end();
    };
    const pipe = new SocketPipe(socket, upstream, onClose, holder.onConnect);
    this.#pipes.set(pipe, route);
    holder.begin(pipe);
    this.parts.metrics.upgrade();
    const now = this.parts.table.agent(route.agentId);
    const moved = now?.state === 'live' && now.gatewayId !== route.gatewayId;
    if (this.#draining || moved) pipe.leave();
  }

  /** A client library shows the status of a failed handshake at most: the gateway's own body is not needed. */
  #declined(socket: Socket, status: number, requestId: string): void {
    const code = status === 401 ? 'credential-missing' : status === 404 ? 'agent-not-found' : 'agent-unreachable';
    this.#refuse(socket, new ProxyProblem(code), requestId, status >= 400 ? status : undefined);
  }

  #fault(socket: Socket, access: Access, requestId: string, fault: ForwardFault, cause?: Error): void {
    const { agentId, gatewayId } = access.agent;
    this.parts.metrics.fault('edge', fault);
    this.parts.log.warn(
      { requestId, agentId, gatewayId, fault, reason: cause?.message },
      'agent did not take a socket',
    );
    const known = fault === 'busy' || fault === 'timeout' ? fault : 'unreachable';
    this.#refuse(socket, new ProxyProblem(FAULT_PROBLEMS[known]), requestId);
  }

  #refuse(socket: Socket, error: unknown, requestId: string, status?: number): void {
    if (!(error instanceof Error && 'kind' in error)) {
      this.parts.log.error({ requestId, err: error }, 'upgrade failed inside the proxy');
    }
    this.parts.metrics.request('refused', status ?? 0);
    sendProblemOnSocket(socket, error, requestId, status);
  }
}
