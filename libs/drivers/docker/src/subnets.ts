import { readFile } from 'node:fs/promises';

/** An IPv4 network as numbers: `first` is its lowest address. */
export interface Subnet {
  readonly first: number;
  readonly bits: number;
}

/** /20: 4,092 gateways beside the network's, the host's, nobody's and the broadcast address. */
const BITS = 20;
const size = (bits: number): number => 2 ** (32 - bits);

/** Where a host's network is looked for: 10.201.0.0 to 10.250.240.0, away from Docker's and most companies' own ranges. */
export function candidateSubnets(): Subnet[] {
  const candidates: Subnet[] = [];
  for (let second = 201; second <= 250; second += 1) {
    for (let third = 0; third < 256; third += 16)
      candidates.push({ first: ((10 * 256 + second) * 256 + third) * 256, bits: BITS });
  }
  return candidates;
}

/** The candidates that touch none of the taken networks, in order. */
export const freeSubnets = (taken: readonly Subnet[]): Subnet[] =>
  candidateSubnets().filter((candidate) => !taken.some((other) => overlaps(candidate, other)));

export const overlaps = (a: Subnet, b: Subnet): boolean =>
  a.first < b.first + size(b.bits) && b.first < a.first + size(a.bits);

/** Undefined for anything but IPv4 in CIDR form. */
export function parseSubnet(text: string): Subnet | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text);
  if (!match) return undefined;
  const [a, b, c, d, bits] = match.slice(1).map(Number) as [number, number, number, number, number];
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  return { first: address - (address % size(bits)), bits };
}

export const formatSubnet = (subnet: Subnet): string => `${formatAddress(subnet.first)}/${subnet.bits}`;

export const formatAddress = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address / 2 ** shift) & 255).join('.');

export const hostAddress = (subnet: Subnet): string => formatAddress(subnet.first + 1);

/** The last one before the broadcast address; never given to anybody. */
export const nobodysAddress = (subnet: Subnet): string => formatAddress(subnet.first + size(subnet.bits) - 2);

/** The address of a slot: the network's own and the host's come first, nobody's and broadcast last. */
export function slotAddress(subnet: Subnet, slot: number): string | undefined {
  const lastSlot = size(subnet.bits) - 5;
  return Number.isInteger(slot) && slot >= 0 && slot <= lastSlot ? formatAddress(subnet.first + 2 + slot) : undefined;
}

/**
 * Every network the host has a route to, from the kernel's table: it also lists bridges without a running container,
 * VPNs and other engines' networks. Empty where there is no such table. The default route (0 bits) is left out.
 */
export async function hostSubnets(): Promise<Subnet[]> {
  const table = await readFile('/proc/net/route', 'utf8').catch(() => '');
  return parseRoutes(table);
}

export function parseRoutes(table: string): Subnet[] {
  const routes = table.trim().split('\n').slice(1);
  return routes.flatMap((line) => {
    const columns = line.split('\t');
    const [destination, mask] = [littleEndian(columns[1] ?? ''), littleEndian(columns[7] ?? '')];
    if (destination === undefined || !mask) return [];
    return [{ first: destination, bits: mask.toString(2).replaceAll('0', '').length }];
  });
}

function littleEndian(hex: string): number | undefined {
  const bytes = hex.match(/^(..)(..)(..)(..)$/)?.slice(1);
  return bytes && bytes.reduceRight((value, byte) => value * 256 + Number.parseInt(byte, 16), 0);
}
