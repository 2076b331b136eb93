import ipaddr from 'ipaddr.js';

type Block = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

const MAPPED_BITS = 96;

/** Strictly: no octal, hexadecimal or short forms of IPv4, no zone. */
const isPlain = (address: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(address) ||
  (address.includes(':') && !address.includes('%') && ipaddr.IPv6.isValid(address));

/** An address or CIDR block in its canonical form (`10.1.2.3/8` is `10.0.0.0/8`); undefined when it is neither. */
export function canonicalBlock(text: string): string | undefined {
  const [address, bits, ...more] = text.split('/');
  if (!address || more.length > 0 || !isPlain(address)) return undefined;
  const full = address.includes(':') ? 128 : 32;
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > full)) return undefined;
  const [base, length] = unmapped(ipaddr.parse(address), bits === undefined ? full : Number(bits));
  const network = base.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${network.networkAddressFromCIDR(`${base.toString()}/${length}`).toString()}/${length}`;
}

/** `::ffff:10.0.0.0/104` means `10.0.0.0/8`. A wider block of IPv6 stays what it is. */
function unmapped(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): Block {
  if (!(address instanceof ipaddr.IPv6) || !address.isIPv4MappedAddress() || bits < MAPPED_BITS) return [address, bits];
  return [address.toIPv4Address(), bits - MAPPED_BITS];
}

const parse = (block: string): Block => ipaddr.parseCIDR(block);

/** True when the address lies in one of the canonical blocks. An IPv4 address that arrived as IPv6 counts as IPv4. */
export function isWithin(address: string, blocks: readonly string[]): boolean {
  const plain = address.replace(/%.*$/, '');
  if (!isPlain(plain)) return false;
  const from = ipaddr.process(plain);
  return blocks.map(parse).some(([base, bits]) => base.kind() === from.kind() && from.match(base, bits));
}

/** True when every address of the inner blocks is in the outer ones. */
export const isNarrower = (inner: readonly string[], outer: readonly string[]): boolean =>
  inner.length > 0 &&
  inner
    .map(parse)
    .every(([base, bits]) =>
      outer
        .map(parse)
        .some(([other, wider]) => wider <= bits && other.kind() === base.kind() && base.match(other, wider)),
    );
