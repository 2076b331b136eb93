import { BEARER_PROTOCOL_PREFIX, CHAT_LIMITS, CHAT_PROTOCOL, PROBLEM_HEADER } from '#libs/contracts';
import { type DomainError, statusOf, toProblem } from '#libs/kernel';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { AgentNotFound, NotReady, RouteNotFound } from '../errors.js';
import { ChatSocket, type SocketParts } from './chat-socket.js';

const INTERVAL = CHAT_LIMITS.heartbeatSeconds * 1000;
const PATH = /^(?:\/a\/([A-Za-z0-9_-]{1,64}))?\/ws$/;

/** Accepts chat sockets on a listener's `upgrade` event. */
export class SocketListener {
  readonly #sockets = new Set<ChatSocket>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: CHAT_LIMITS.frame,
    // Compression would hold a window of memory per socket, for frames of a hundred bytes.
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(CHAT_PROTOCOL) ? CHAT_PROTOCOL : false),
  });
  readonly #heartbeat = setInterval(() => this.#beat(), INTERVAL);
  #beatAt = performance.now();

  constructor(private readonly parts: SocketParts) {}

  listen(server: Server): void {
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const socket of this.#sockets) socket.end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.parts.logger.debug({ err: error }, 'upgrade failed'));
    const path = PATH.exec((request.url ?? '').split('?')[0]!);
    if (!path) return refuseUpgrade(socket, new RouteNotFound());
    const closed = this.#closedTo();
    if (closed) return refuseUpgrade(socket, closed);
    // Before a socket exists a proxy with an old route can still send the client to the right gateway.
    if (path[1] !== undefined && !this.parts.gateway.serves(path[1])) return refuseUpgrade(socket, new AgentNotFound());
    this.#server.handleUpgrade(request, socket, head, (accepted) => {
      const chat = new ChatSocket(accepted, request, path[1], tokenOf(request), this.parts);
      this.#sockets.add(chat);
      this.parts.activity.socketOpened();
      accepted.on('close', () => {
        this.#sockets.delete(chat);
        this.parts.activity.socketClosed();
      });
    });
  }

  /** Why nobody is let in at all; the proxy knows what to do about it. Everything else is said to the client in a frame. */
  #closedTo(): NotReady | undefined {
    const { state } = this.parts.gateway;
    return state === 'suspending' || state === 'warm' ? new NotReady(`gateway-${state}`) : undefined;
  }

  /** After a freeze answers to the last ping may lie unread: nobody is taken for gone before the next. */
  #beat(): void {
    const now = performance.now();
    const wasFrozen = now - this.#beatAt > 1.5 * INTERVAL;
    this.#beatAt = now;
    for (const socket of this.#sockets) socket.beat(wasFrozen);
  }
}

/** The token of the handshake: a header, or for browsers a subprotocol. Never the address. */
function tokenOf(request: IncomingMessage): string | undefined {
  const header = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const protocol = offered.find((name) => name.startsWith(BEARER_PROTOCOL_PREFIX));
  return header ?? protocol?.slice(BEARER_PROTOCOL_PREFIX.length);
}

/** Not `STATUS_CODES`: to import a value from node:http loads all that it can do, a megabyte and a half of every gateway. */
const REASONS: Readonly<Record<number, string>> = { 404: 'Not Found', 503: 'Service Unavailable' };

function refuseUpgrade(socket: Duplex, error: DomainError): void {
  const body = JSON.stringify(toProblem(error));
  const status = statusOf(error.kind);
  const retryAfter = error.retryAfter === undefined ? '' : `Retry-After: ${error.retryAfter}\r\n`;
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `${PROBLEM_HEADER}: ${error.code}\r\n${retryAfter}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
