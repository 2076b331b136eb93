import type { AgentRoute } from '#libs/contracts';
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { requestHeaders } from '../http/headers.js';
import type { Target } from '../http/request-check.js';
import type { Access } from './agent-access.js';

const AUTHORIZATION: ReadonlySet<string> = new Set(['authorization']);

export const originOf = ({ target }: AgentRoute): string =>
  `http://${isIPv6(target.host) ? `[${target.host}]` : target.host}:${target.port}`;

export const upstreamPath = (access: Access, target: Target): string =>
  `/a/${access.agent.agentId}${access.path}${target.query}`;

/** The client's headers, cleaned, plus who it was and the token the proxy has checked. */
export function upstreamHeaders(
  req: IncomingMessage,
  access: Access,
  scheme: 'http' | 'https',
  requestId: string,
  drop: ReadonlySet<string> = AUTHORIZATION,
): string[] {
  const headers = requestHeaders(req, drop);
  if (access.token !== undefined) headers.push('Authorization', `Bearer ${access.token}`);
  headers.push('X-Forwarded-For', req.socket.remoteAddress ?? '', 'X-Forwarded-Proto', scheme);
  headers.push('X-Forwarded-Host', req.headers.host ?? '', 'X-Request-Id', requestId);
  return headers;
}
