import { describe, expect, it } from 'vitest';
import {
  candidateSubnets,
  formatSubnet,
  freeSubnets,
  hostAddress,
  nobodysAddress,
  parseRoutes,
  parseSubnet,
  slotAddress,
  type Subnet,
} from './subnets.js';

const subnet = (text: string): Subnet => parseSubnet(text)!;

describe('choosing an address range', () => {
  it('offers /20 networks from 10.201.0.0 to 10.250.240.0', () => {
    const all = candidateSubnets().map(formatSubnet);
    expect([all.length, all[0], all.at(-1)]).toEqual([800, '10.201.0.0/20', '10.250.240.0/20']);
  });

  it('avoids networks that touch it, larger and smaller ones alike', () => {
    const taken = ['10.201.0.0/16', '10.202.0.128/25', '172.17.0.0/16'].map(subnet);
    expect(formatSubnet(freeSubnets(taken)[0]!)).toBe('10.202.16.0/20');
  });

  it('finds none when everything is taken', () => {
    expect(freeSubnets([subnet('10.0.0.0/8')])).toEqual([]);
  });

  it('reads a CIDR with host bits and refuses what is none', () => {
    expect(formatSubnet(subnet('10.201.7.9/20'))).toBe('10.201.0.0/20');
    expect(parseSubnet('fd00::/64')).toBeUndefined();
    expect(parseSubnet('')).toBeUndefined();
  });

  it("reads the kernel's routes and leaves the default one out", () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'br-1\t0000C90A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0',
    ].join('\n');
    expect(parseRoutes(table).map(formatSubnet)).toEqual(['192.0.2.0/24', '10.201.0.0/20']);
    expect(parseRoutes('')).toEqual([]);
  });
});

describe('the address of a slot', () => {
  const network = subnet('10.201.0.0/20');

  it('follows the slot across byte boundaries', () => {
    expect([0, 253, 254, 499].map((slot) => slotAddress(network, slot))).toEqual([
      '10.201.0.2',
      '10.201.0.255',
      '10.201.1.0',
      '10.201.1.245',
    ]);
  });

  it("never is the host's, nobody's or the broadcast address", () => {
    expect([hostAddress(network), nobodysAddress(network)]).toEqual(['10.201.0.1', '10.201.15.254']);
    expect(slotAddress(network, 4091)).toBe('10.201.15.253');
    expect(slotAddress(network, 4092)).toBeUndefined();
  });

  it('does not exist for half a slot or a negative one', () => {
    expect([slotAddress(network, 0.5), slotAddress(network, -1)]).toEqual([undefined, undefined]);
  });
});
