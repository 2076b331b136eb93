import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressOf } from './address.js';

const request = (remoteAddress: string, forwarded?: string) =>
  ({
    socket: { remoteAddress },
    headers: forwarded ? { 'x-forwarded-for': forwarded } : {},
  }) as unknown as IncomingMessage;

describe("the client's address", () => {
  it.each([
    ['127.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['::ffff:172.18.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['fd00::1', '2001:db8::7', '2001:db8::7'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['2001:db8::1', '198.51.100.1', '2001:db8::1'],
  ])('from peer %s naming %s is %s', (peer, forwarded, expected) => {
    expect(addressOf(request(peer, forwarded))).toBe(expected);
  });
});
