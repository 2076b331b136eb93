import type { IncomingMessage } from 'node:http';
import { canonicalBlock, isWithin } from '../identity/address-list.js';

/**
 * Where a request outside of Fastify (an upgrade) came from: the last address in `X-Forwarded-For` that no trusted proxy has.
 * The same rule as Fastify's for everything else.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const blocks = trustedProxies.flatMap((text) => canonicalBlock(text) ?? []);
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  let address = request.socket.remoteAddress ?? '';
  for (const before of forwarded.toReversed().map((part) => part.trim())) {
    if (before === '' || !isWithin(address, blocks)) break;
    address = before;
  }
  return address;
}
