import type { IncomingMessage } from 'node:http';
import { BlockList } from 'node:net';

const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv4');
}
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');

const isPrivate = (address: string): boolean => {
  const plain = address.replace(/^::ffff:/, '');
  return PRIVATE.check(plain, plain.includes(':') ? 'ipv6' : 'ipv4');
};

/**
 * The client's address. A gateway stands behind the proxy on a private network: from there the last entry of
 * `X-Forwarded-For` is what the proxy saw itself. A peer on a public address is the client, whatever it claims.
 */
export function addressOf(request: IncomingMessage): string {
  const peer = request.socket.remoteAddress ?? '';
  const forwarded = request.headers['x-forwarded-for'];
  if (!forwarded || !isPrivate(peer)) return peer;
  const list = Array.isArray(forwarded) ? forwarded.join(',') : forwarded;
  return list.split(',').at(-1)!.trim() || peer;
}
