import ipaddr from 'ipaddr.js';
import type { RequestContext } from '../http/request-context.js';

/** How much of a member's address an audit line keeps, in bits. */
const KEPT_BITS = { ipv4: 24, ipv6: 48 } as const;

/**
 * Where a change came from. Staff, operators and programs act for a business and are named in full; of members, who can ask
 * to be erased while the log cannot be edited, only the network is kept.
 */
export function originOf(actor: string, origin: RequestContext['origin'] | undefined): Record<string, string> {
  if (!origin) return {};
  if (!actor.startsWith('member:')) return { ...origin };
  const network = networkOf(origin.address);
  return network === undefined ? {} : { network };
}

function networkOf(address: string): string | undefined {
  if (!ipaddr.isValid(address)) return undefined;
  const parsed = ipaddr.process(address); // an IPv4 address mapped into IPv6 is an IPv4 address
  const bits = KEPT_BITS[parsed.kind()];
  const kind = parsed.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${kind.networkAddressFromCIDR(`${parsed.toString()}/${bits}`).toString()}/${bits}`;
}
