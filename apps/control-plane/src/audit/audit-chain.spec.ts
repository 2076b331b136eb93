import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PlatformKeys } from '../secrets/platform-keys.js';
import { AuditChain, type ChainedLine, NO_HASH } from './audit-chain.js';
import { originOf } from './origin.js';

const chain = new AuditChain(new PlatformKeys(randomBytes(32)));
const line: ChainedLine = {
  id: 'aud_1',
  chain: 'ten_1',
  seq: 1n,
  actor: 'key:1',
  action: 'member.provision',
  resource: 'member',
  resourceId: 'mem_1',
  data: '{"a":1,"b":[true,null,"ü"]}',
  origin: '{"address":"::1"}',
  requestId: null,
  at: '2026-11-21T10:00:00.001Z',
};
const hash = chain.hash(NO_HASH, line);
const withData = (data: string): boolean => chain.isGenuine(NO_HASH, { ...line, data }, chain.hash(NO_HASH, line));

describe('a chained line', () => {
  it.each(Object.keys(line) as (keyof ChainedLine)[])('is not genuine with another %s', (field) => {
    const other = { seq: 2n, data: '{"a":2}', origin: '{}', requestId: 'x' }[field as string] ?? 'other';
    expect(chain.isGenuine(NO_HASH, { ...line, [field]: other }, hash)).toBe(false);
  });

  it('is genuine behind its own predecessor only, and under its own key only', () => {
    expect(chain.isGenuine(NO_HASH, line, hash)).toBe(true);
    expect(chain.isGenuine(randomBytes(32), line, hash)).toBe(false);
    expect(new AuditChain(new PlatformKeys(randomBytes(32))).isGenuine(NO_HASH, line, hash)).toBe(false);
    expect(chain.isGenuine(NO_HASH, line, hash.subarray(0, 31))).toBe(false);
  });

  it('does not depend on the order or the spacing of its JSON', () => {
    expect(withData('{ "b": [true, null, "\\u00fc"], "a": 1.0 }')).toBe(true);
    expect(withData('{"a":1,"b":[null,true,"ü"]}')).toBe(false);
  });

  it.each([
    ['9007199254740992', '9007199254740993'],
    ['0.1', '0.10000000000000000555'],
    ['1', '1.00000000000000000001'],
    ['1e21', '1000000000000000000001'],
  ])('holds every digit of a number: %s is not %s, though both parse to the same', (written, changed) => {
    expect(Number(written)).toBe(Number(changed));
    const genuine = { ...line, data: `{"n":${written}}` };
    const sum = chain.hash(NO_HASH, genuine);
    expect(chain.isGenuine(NO_HASH, genuine, sum)).toBe(true);
    expect(chain.isGenuine(NO_HASH, { ...line, data: `{"n":${changed}}` }, sum)).toBe(false);
  });

  it('takes what no line can hold for a forgery, not for a fault', () => {
    for (const data of ['{"n":1e400}', '{"s":"\\ud800"}', '{', `{"n":1${'0'.repeat(400)}}`])
      expect(withData(data)).toBe(false);
  });
});

describe('a head', () => {
  it('is sealed for its chain, its place and its hash', () => {
    const head = { seq: 7n, hash };
    const seal = chain.seal('ten_1', head);
    expect(chain.isSealed('ten_1', head, seal)).toBe(true);
    expect(chain.isSealed('ten_2', head, seal)).toBe(false);
    expect(chain.isSealed('ten_1', { ...head, seq: 6n }, seal)).toBe(false);
    expect(chain.isSealed('ten_1', { ...head, hash: NO_HASH }, seal)).toBe(false);
    expect(chain.isSealed('ten_1', head, new Uint8Array())).toBe(false);
  });
});

describe('the origin of a line', () => {
  const origin = (address: string) => ({ address, userAgent: 'browser' });

  it('is kept whole for staff and keys', () => {
    expect(originOf('user:1', origin('203.0.113.9'))).toEqual(origin('203.0.113.9'));
    expect(originOf('system:x', undefined)).toEqual({});
  });

  it.each([
    ['203.0.113.9', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2::3', '2001:db8:1::/48'],
  ])('is a network only for a member: %s', (address, network) => {
    expect(originOf('member:1', origin(address))).toEqual({ network });
  });

  it('is nothing for a member whose address is none', () => {
    expect(originOf('member:1', origin('unix:'))).toEqual({});
  });
});
