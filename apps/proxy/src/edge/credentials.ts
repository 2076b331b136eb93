import { BEARER_PROTOCOL_PREFIX } from '#libs/contracts';
import type { IncomingMessage } from 'node:http';
import { ProxyProblem } from '../proxy.errors.js';

export const SESSION_COOKIE = 'wirebot_session';
/** The member's display name, for `/auth/me`; nothing trusts it. */
export const NAME_COOKIE = 'wirebot_name';

/** The bearer token of a request, from its header or, for browsers' sockets, from its subprotocols. */
export function bearerOf(req: IncomingMessage): string | undefined {
  const header = /^Bearer +([^\s]+) *$/i.exec(req.headers.authorization ?? '');
  if (header) return header[1];
  const offered = protocolsOf(req).find((name) => name.startsWith(BEARER_PROTOCOL_PREFIX));
  return offered?.slice(BEARER_PROTOCOL_PREFIX.length);
}

function protocolsOf(req: IncomingMessage): string[] {
  const value = req.headers['sec-websocket-protocol'];
  return value ? value.split(',').map((name) => name.trim()) : [];
}

/** The offered subprotocols without the one that carried the token: it has done its work and goes no further. */
export function plainProtocols(req: IncomingMessage): string {
  return protocolsOf(req)
    .filter((name) => !name.startsWith(BEARER_PROTOCOL_PREFIX))
    .join(', ');
}

export function cookieOf(req: IncomingMessage, name: string): string | undefined {
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const mark = part.indexOf('=');
    if (mark !== -1 && part.slice(0, mark).trim() === name) return part.slice(mark + 1).trim() || undefined;
  }
  return undefined;
}

/** A cookie travels with every request, whoever caused it: one that another site's page caused is refused. */
export function checkOrigin(req: IncomingMessage): void {
  const origin = req.headers.origin;
  if (origin === undefined) return;
  const host = URL.canParse(origin) ? new URL(origin).host : undefined;
  if (!host || host !== (req.headers.host ?? '').toLowerCase()) throw new ProxyProblem('origin-mismatch');
}

/** The token of the chat page's session; the request must come from the page's own host. */
export function sessionOf(req: IncomingMessage): string | undefined {
  const token = cookieOf(req, SESSION_COOKIE);
  if (token !== undefined) checkOrigin(req);
  return token;
}
