import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { clientAddress } from '../../http/client-address.js';
import { networkOf } from './sign-in-limits.js';

describe('tries are counted', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['', ''],
    ['unknown', 'unknown'],
  ])('of %s as of %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('an upgrade came', () => {
  const from = (remoteAddress: string, forwarded?: string) =>
    clientAddress(
      { headers: { 'x-forwarded-for': forwarded }, socket: { remoteAddress } } as unknown as IncomingMessage,
      ['10.0.0.0/8', 'fd00::/8'],
    );

  it.each([
    ['198.51.100.1', '203.0.113.9', '198.51.100.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '192.0.2.66, 203.0.113.9', '203.0.113.9'],
    ['fd00::1', '192.0.2.66, 203.0.113.9, 10.2.3.4', '203.0.113.9'],
  ])('through %s with %s from %s', (peer, forwarded, address) => {
    expect(from(peer, forwarded)).toBe(address);
  });

  it('from the connection itself where nobody is trusted', () => {
    const request = { headers: { 'x-forwarded-for': '203.0.113.9' }, socket: { remoteAddress: '10.0.0.1' } };
    expect(clientAddress(request as unknown as IncomingMessage, [])).toBe('10.0.0.1');
  });
});
