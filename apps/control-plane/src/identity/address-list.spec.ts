import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalBlock, isNarrower, isWithin } from './address-list.js';

describe('a block of addresses', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:db8:1:2:3::/32', '2001:db8::/32'],
    ['::ffff:10.1.2.3', '10.1.2.3/32'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::/0', '::/0'],
  ])('%s is kept as %s', (text, block) => {
    expect(canonicalBlock(text)).toBe(block);
  });

  it.each([
    '',
    '10.1',
    '010.1.2.3',
    '0x7f.0.0.1',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    'localhost',
    'fe80::1%eth0',
    '1.2.3.4.5',
    '10.0.0.0/8 ',
  ])('is not %j', (text) => {
    expect(canonicalBlock(text)).toBeUndefined();
  });
});

describe('an address', () => {
  it.each([
    ['10.200.0.1', true],
    ['::ffff:10.200.0.1', true],
    ['11.0.0.1', false],
    ['::ffff:11.0.0.1', false],
    ['2001:db8::5', true],
    ['2001:db9::5', false],
    ['::ffff:0:0', false],
    ['', false],
    ['not an address', false],
  ])('%s within 10/8 and 2001:db8::/32: %s', (address, within) => {
    expect(isWithin(address, ['10.0.0.0/8', '2001:db8::/32'])).toBe(within);
  });

  it('of IPv4 is not in a block of IPv6, not even in all of it', () => {
    expect(isWithin('10.0.0.1', ['::/0'])).toBe(false);
    expect(isWithin('::1', ['0.0.0.0/0'])).toBe(false);
  });

  it('is always within its own block, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, bits) => {
        const block = canonicalBlock(`${address}/${bits}`)!;
        expect(isWithin(address, [block])).toBe(true);
        expect(isWithin(`::ffff:${address}`, [block])).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 95 }), (address, bits) => {
        const block = canonicalBlock(`${address}/${bits}`)!;
        const mapped = /^::ffff:/i.test(address) || isWithin(address, ['0.0.0.0/0']);
        expect(mapped || isWithin(address, [block])).toBe(true);
      }),
    );
  });
});

describe('a narrower list', () => {
  it.each([
    [['10.1.0.0/16'], ['10.0.0.0/8'], true],
    [['10.0.0.0/8'], ['10.0.0.0/8'], true],
    [['10.0.0.0/8'], ['10.1.0.0/16'], false],
    [['10.1.0.0/16', '11.0.0.0/8'], ['10.0.0.0/8'], false],
    [[], ['10.0.0.0/8'], false],
    [['0.0.0.0/0'], ['::/0'], false],
  ])('%j within %j: %s', (inner, outer, narrower) => {
    expect(isNarrower(inner, outer)).toBe(narrower);
  });
});
