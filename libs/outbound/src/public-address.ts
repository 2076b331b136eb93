import ipaddr from 'ipaddr.js';

/** Prefixes of IPv6 addresses that carry an IPv4 address, and where in the 16 bytes it is. */
const CARRIERS: readonly { readonly prefix: string; readonly bits: number; readonly at: number }[] = [
  { prefix: '64:ff9b::', bits: 96, at: 12 }, // NAT64 (RFC 6052)
  { prefix: '64:ff9b:1::', bits: 48, at: 12 }, // NAT64, local use (RFC 8215)
  { prefix: '2002::', bits: 16, at: 2 }, // 6to4 (RFC 3056)
  { prefix: '::', bits: 96, at: 12 }, // IPv4-compatible, deprecated (RFC 4291)
];

/**
 * True for an address that anybody on the internet could reach: not this machine, no private, link-local, shared, reserved,
 * documentation, multicast or metadata address, and none of those inside an IPv6 address that carries an IPv4 one.
 * Source: the IANA special-purpose registries, by ipaddr.js.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address); // ::ffff:10.0.0.1 is 10.0.0.1
  if (parsed.kind() === 'ipv4') return parsed.range() === 'unicast';
  const bytes = parsed.toByteArray();
  for (const { prefix, bits, at } of CARRIERS) {
    if (!(parsed as ipaddr.IPv6).match(ipaddr.IPv6.parse(prefix), bits)) continue;
    return isPublicAddress(bytes.slice(at, at + 4).join('.'));
  }
  return parsed.range() === 'unicast';
}
