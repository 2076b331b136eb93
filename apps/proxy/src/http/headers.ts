import { PROBLEM_HEADER } from '#libs/contracts';
import type { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders } from 'undici/types/header.js';

/** Meant for one connection only; never passed on, in either direction. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Ours to set, or of no use to a gateway: what a client sends under these names is dropped. */
const OWN = new Set(['host', 'expect', 'cookie', 'forwarded', 'x-real-ip', 'x-request-id', 'http2-settings']);

const isOwn = (name: string) => OWN.has(name) || name.startsWith('x-forwarded-') || name.startsWith('x-wirebot-');

/** Names that the sender's own Connection header declares hop-by-hop. */
function connectionNames(value: string | undefined): readonly string[] {
  if (!value || value === 'keep-alive' || value === 'close' || value === 'Upgrade') return [];
  return value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
}

/**
 * The client's headers as they go upstream (flat name, value list): without hop-by-hop ones, without names that only the
 * proxy may set, and without `drop`. `content-length` stays: undici checks the body against it.
 */
export function requestHeaders(req: IncomingMessage, drop?: ReadonlySet<string>): string[] {
  const named = connectionNames(req.headers.connection);
  const raw = req.rawHeaders;
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (HOP_BY_HOP.has(name) || isOwn(name) || drop?.has(name) || named.includes(name)) continue;
    headers.push(raw[i]!, raw[i + 1]!);
  }
  return headers;
}

/** Removes hop-by-hop headers from an upstream's answer, in place. */
export function cleanResponseHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const connection = headers['connection'];
  for (const name of connectionNames(Array.isArray(connection) ? connection.join(',') : connection))
    delete headers[name];
  for (const name of HOP_BY_HOP) if (headers[name] !== undefined) delete headers[name];
  delete headers[PROBLEM_HEADER];
  return headers;
}

/**
 * True when a gateway says that it does not have the agent that our table says it has: the route is old (the agent has
 * just moved and the news is under way), which is our trouble and not the client's.
 */
export const isMisrouted = (status: number, headers: IncomingHttpHeaders): boolean =>
  status === 404 && headers[PROBLEM_HEADER] === 'agent-not-found';

/** True when a gateway says that it is about to fall asleep: it has taken nothing, and wakes when it is wanted. */
export const isSuspending = (status: number, headers: IncomingHttpHeaders): boolean =>
  status === 503 && headers[PROBLEM_HEADER] === 'gateway-suspending';

/** The Host header as tenants spell it: lower case, without port or trailing dot. */
export function hostOf(value: string | undefined): string {
  if (!value) return '';
  const colon = value.startsWith('[') ? value.indexOf(':', value.indexOf(']')) : value.indexOf(':');
  return (colon === -1 ? value : value.slice(0, colon)).toLowerCase().replace(/\.$/, '');
}
