import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertWithin, boundsWithin, type KeyBounds } from './key-bounds.js';

const maker: KeyBounds = {
  scopes: ['members:*', 'keys:write'],
  readOnly: false,
  allowedIps: ['10.0.0.0/8'],
  expiresAt: new Date('2027-01-01T00:00:00Z'),
};
const free: KeyBounds = { scopes: ['*'], readOnly: false, allowedIps: [], expiresAt: null };
const refused = expect.objectContaining({ code: 'key-exceeds-maker' }) as unknown;

const thrown = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    return error;
  }
};

describe('the bounds of a new key', () => {
  it('are those of its maker unless it asks for less', () => {
    expect(boundsWithin(maker, { scopes: ['members:read', 'members:read'] })).toEqual({
      scopes: ['members:read'],
      readOnly: false,
      allowedIps: ['10.0.0.0/8'],
      expiresAt: maker.expiresAt,
    });
    const less = {
      scopes: ['members:read'],
      readOnly: true,
      allowedIps: ['10.1.0.0/16'],
      expiresAt: new Date('2026-12-31T00:00:00Z'),
    };
    expect(boundsWithin(maker, less)).toEqual(less);
  });

  it.each([
    ['another scope', { scopes: ['tokens:write'] }],
    ['every scope', { scopes: ['*'] }],
    ['any address', { scopes: ['members:read'], allowedIps: [] }],
    ['other addresses', { scopes: ['members:read'], allowedIps: ['11.0.0.0/8'] }],
    ['more addresses', { scopes: ['members:read'], allowedIps: ['0.0.0.0/0'] }],
    ['no expiry', { scopes: ['members:read'], expiresAt: null }],
    ['a later expiry', { scopes: ['members:read'], expiresAt: new Date('2027-01-02T00:00:00Z') }],
  ])('never become wider: %s', (_, wanted) => {
    expect(thrown(() => boundsWithin(maker, wanted))).toEqual(refused);
  });

  it('stay read-only', () => {
    const reader = { ...free, readOnly: true };
    expect(boundsWithin(reader, { scopes: ['*'] }).readOnly).toBe(true);
    expect(thrown(() => boundsWithin(reader, { scopes: ['*'], readOnly: false }))).toEqual(refused);
  });

  it('are anything for who has no bounds', () => {
    expect(boundsWithin(free, { scopes: ['*'], allowedIps: ['::/0'] })).toMatchObject({ scopes: ['*'] });
  });

  it('are within those of every key in a chain of makers', () => {
    const scope = fc.constantFrom('*', 'members:*', 'members:read', 'members:write', 'keys:read', 'keys:*');
    const wanted = fc.record({
      scopes: fc.array(scope, { minLength: 1, maxLength: 3 }),
      readOnly: fc.option(fc.boolean(), { nil: undefined }),
      allowedIps: fc.option(fc.subarray(['10.0.0.0/8', '10.1.0.0/16', '::/0', '2001:db8::/32']), { nil: undefined }),
      expiresAt: fc.option(fc.date({ noInvalidDate: true }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(wanted, { minLength: 1, maxLength: 6 }), (chain) => {
        const made: KeyBounds[] = [free];
        for (const next of chain) {
          const result = thrown(() => boundsWithin(made.at(-1)!, next));
          if (!(result instanceof Error)) made.push(result as KeyBounds);
        }
        for (const ancestor of made) expect(thrown(() => assertWithin(ancestor, made.at(-1)!))).toBeUndefined();
      }),
    );
  });
});
