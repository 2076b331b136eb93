import { DomainError, toProblem } from '#libs/kernel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS } from '../proxy.limits.js';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

function problemAnswer(error: unknown, requestId: string, status?: number): Answer {
  const reason = error instanceof ProxyProblem ? error.reason : undefined;
  const problem = { ...toProblem(error, `urn:wirebot:request:${requestId}`), ...(reason ? { reason } : {}) };
  const retryAfter = error instanceof DomainError ? error.retryAfter : undefined;
  const body = JSON.stringify(status ? { ...problem, status } : problem);
  return {
    status: status ?? problem.status,
    body,
    headers: {
      'Content-Type': 'application/problem+json',
      'Content-Length': String(Buffer.byteLength(body)),
      'Cache-Control': 'no-store',
      'X-Request-Id': requestId,
      ...(problem.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }),
    },
  };
}

/** Answers with the error's problem document; a body that is still arriving is read and thrown away within limits. */
export function sendProblem(req: IncomingMessage, res: ServerResponse, error: unknown, requestId: string): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const answer = problemAnswer(error, requestId);
  discardBody(req);
  res.writeHead(answer.status, answer.headers).end(answer.body);
}

/**
 * Closing while the client still sends would reset the connection before it has read the answer, so the rest is read and
 * dropped; a client that goes on and on is cut off.
 */
export function discardBody(req: IncomingMessage): void {
  if (req.complete) return;
  let dropped = 0;
  req.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > LIMITS.refusedBody) req.socket?.destroy();
  });
  req.resume();
}

/** The same on a bare socket (upgrades, requests the parser refused), which it closes. */
export function sendProblemOnSocket(socket: Duplex, error: unknown, requestId: string, status?: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const answer = problemAnswer(error, requestId, status);
  const lines = Object.entries({ ...answer.headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}`);
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${answer.body}`,
  );
}
