import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ProxyProblem } from '../proxy.errors.js';
import { type Address } from '../proxy.config.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import { sendProblemOnSocket } from './problem.js';
import { nextRequestId } from './request-id.js';

const isWebSocket = (req: IncomingMessage) => req.headers.upgrade?.toLowerCase() === 'websocket';

/** An HTTP server with the proxy's limits. What the parser refuses is answered here. */
export function createListener(onRequest: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const server = createServer(
    {
      maxHeaderSize: LIMITS.headers,
      headersTimeout: TIMES.receiveHeaders,
      requestTimeout: TIMES.receiveRequest,
      keepAliveTimeout: TIMES.keepAlive,
      connectionsCheckingInterval: TIMES.receiveHeaders / 2,
      noDelay: true,
      insecureHTTPParser: false,
      // Other upgrades (h2c) are offers a server may ignore; the request is then an ordinary one.
      shouldUpgradeCallback: isWebSocket,
    },
    onRequest,
  );
  server.maxConnections = LIMITS.connections;
  server.on('clientError', onClientError);
  return server;
}

function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  // The client is gone, or an answer has begun on this connection and nothing may be written into it.
  const answering = (socket as Duplex & { _httpMessage?: ServerResponse })._httpMessage?.headersSent;
  if (error.code === 'ECONNRESET' || !socket.writable || answering) {
    socket.destroy();
    return;
  }
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''];
  sendProblemOnSocket(socket, new ProxyProblem('request-malformed'), nextRequestId(), status);
}

/** Listens, or rejects with the system's error. */
export function listen(server: Server, address: Address): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

/** Stops accepting; resolves once every connection is done, at the latest after `grace` milliseconds, then cut off. */
export function closeListener(server: Server, grace: number): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    // A connection whose request is answered meanwhile becomes idle, and would be kept alive by its client.
    const idle = setInterval(() => server.closeIdleConnections(), TIMES.idleCheck);
    const timer = setTimeout(() => {
      clearInterval(idle);
      server.closeAllConnections();
      // Sockets that were upgraded are not the server's any more and must not hold up the end.
      resolve();
    }, grace);
    server.close(() => {
      clearTimeout(timer);
      clearInterval(idle);
      resolve();
    });
    server.closeIdleConnections();
  });
}
