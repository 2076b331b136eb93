import { describe, expect, it } from 'vitest';
import { actorOf, grants, SCOPE_PATTERN } from './principal.js';
import { bearerOf, cookieOf, sameSecret } from './secrets.js';

describe('scopes', () => {
  it.each([
    [['members:write'], 'members:write', true],
    [['members:*'], 'members:write', true],
    [['*'], 'members:write', true],
    [['members:read'], 'members:write', false],
    [['member:*'], 'members:write', false],
    [['members'], 'members:write', false],
    [['*:write'], 'members:write', false],
    [[], 'members:write', false],
  ])('%j for %s: %s', (scopes, wanted, granted) => {
    expect(grants(scopes, wanted)).toBe(granted);
  });

  it.each(['', 'members', '*:write', 'Members:write', 'members:write ', 'members:write:x'])(
    'cannot be written as %j',
    (scope) => {
      expect(SCOPE_PATTERN.test(scope)).toBe(false);
    },
  );
});

it('names callers for audit lines', () => {
  expect(actorOf({ kind: 'tenant', tenantId: 'ten_1', keyId: 'key_1', scopes: [] })).toBe('key:key_1');
  expect(actorOf({ kind: 'operator', userId: 'usr_1', scopes: [] })).toBe('user:usr_1');
  expect(actorOf({ kind: 'operator', keyId: 'key_2', scopes: [] })).toBe('key:key_2');
  expect(actorOf({ kind: 'proxy' })).toBe('system:proxy');
});

describe('headers', () => {
  it('give the bearer credential and nothing that only looks like one', () => {
    expect(bearerOf('Bearer abc')).toBe('abc');
    expect(bearerOf('bearer   abc ')).toBe('abc');
    for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'xBearer abc'])
      expect(bearerOf(header)).toBeUndefined();
  });

  it('give one cookie by its exact name', () => {
    expect(cookieOf('a=1; wirebot_admin=x=y; b=2', 'wirebot_admin')).toBe('x=y');
    for (const header of [undefined, '', 'wirebot_admin', 'xwirebot_admin=1', 'wirebot_admin2=1'])
      expect(cookieOf(header, 'wirebot_admin')).toBeUndefined();
  });
});

it('compares secrets of any length', () => {
  expect(sameSecret('abc', 'abc')).toBe(true);
  expect(sameSecret('abc', 'abd')).toBe(false);
  expect(sameSecret('abc', 'abcd')).toBe(false);
});
