import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { cleanResponseHeaders, hostOf, isMisrouted, requestHeaders } from './headers.js';

const request = (pairs: [string, string][]): IncomingMessage =>
  ({
    rawHeaders: pairs.flat(),
    headers: Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value])),
  }) as unknown as IncomingMessage;

describe('requestHeaders', () => {
  it('keeps names, order and repetitions of what passes', () => {
    const pairs: [string, string][] = [
      ['Accept', 'a'],
      ['X-Twice', '1'],
      ['x-twice', '2'],
      ['Content-Length', '3'],
    ];
    expect(requestHeaders(request(pairs))).toEqual(pairs.flat());
  });

  it('drops every spelling of what a client may not say', () => {
    const names = [
      'Host',
      'X-FORWARDED-FOR',
      'x-forwarded-anything',
      'Forwarded',
      'X-Wirebot-Role',
      'X-Real-IP',
      'TE',
      'Upgrade',
      'Keep-Alive',
      'Transfer-Encoding',
      'Proxy-Authorization',
      'Expect',
      'Cookie',
    ];
    expect(requestHeaders(request(names.map((name) => [name, 'x'])))).toEqual([]);
  });

  it('drops what the Connection header names and what the caller replaces', () => {
    const pairs: [string, string][] = [
      ['Connection', 'close, X-Mine'],
      ['X-Mine', '1'],
      ['Authorization', 'b'],
      ['X-Kept', '2'],
    ];
    expect(requestHeaders(request(pairs), new Set(['authorization']))).toEqual(['X-Kept', '2']);
  });
});

describe('cleanResponseHeaders', () => {
  it('removes hop-by-hop headers and those the upstream names', () => {
    const headers = {
      connection: 'X-Internal',
      'x-internal': '1',
      'keep-alive': 'timeout=5',
      'transfer-encoding': 'chunked',
      'set-cookie': ['a', 'b'],
    };
    expect(cleanResponseHeaders(headers)).toEqual({ 'set-cookie': ['a', 'b'] });
  });
});

describe('hostOf', () => {
  it.each([
    ['Chat.Acme.TEST', 'chat.acme.test'],
    ['chat.acme.test:4100', 'chat.acme.test'],
    ['chat.acme.test.', 'chat.acme.test'],
    ['chat.acme.test.:80', 'chat.acme.test'],
    ['[::1]:4100', '[::1]'],
    ['[::1]', '[::1]'],
    ['', ''],
    [undefined, ''],
  ])('reads %s as %s', (value, host) => {
    expect(hostOf(value)).toBe(host);
  });
});

describe('isMisrouted', () => {
  it('knows a gateway that lacks the agent from every other 404', () => {
    expect(isMisrouted(404, { 'x-wirebot-problem': 'agent-not-found' })).toBe(true);
    expect(isMisrouted(404, { 'x-wirebot-problem': 'session-not-found' })).toBe(false);
    expect(isMisrouted(404, {})).toBe(false);
    expect(isMisrouted(200, { 'x-wirebot-problem': 'agent-not-found' })).toBe(false);
  });

  it('keeps the code header from clients', () => {
    expect(cleanResponseHeaders({ 'x-wirebot-problem': 'session-not-found', etag: 'x' })).toEqual({ etag: 'x' });
  });
});
