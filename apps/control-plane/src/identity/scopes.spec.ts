import { describe, expect, it } from 'vitest';
import { ROLE_SCOPES, STAFF_ROLES } from './roles.js';
import { covers, unknownScopes } from './scopes.js';

describe('known scopes', () => {
  it.each(['*', 'members:read', 'members:*', 'tenant:close', 'webhooks:write'])('of a tenant include %s', (scope) => {
    expect(unknownScopes([scope], 'tenant')).toEqual([]);
  });

  it.each(['tenants:write', 'gateways:read', 'members:close', 'nonsense:read', 'metrics:*'])(
    'of a tenant do not include %s',
    (scope) => {
      expect(unknownScopes(['members:read', scope], 'tenant')).toEqual([scope]);
    },
  );

  it('of operators include those of tenants and more', () => {
    expect(unknownScopes(['members:read', 'tenants:*', 'metrics:read', 'things:read'], 'operator')).toEqual([
      'things:read',
    ]);
  });

  it('include every scope that a role gives', () => {
    for (const role of STAFF_ROLES) expect(unknownScopes(ROLE_SCOPES[role], 'tenant')).toEqual([]);
  });
});

describe('what scopes cover', () => {
  it.each([
    [['*'], '*', true],
    [['*'], 'members:*', true],
    [['members:*'], 'members:write', true],
    [['members:read', 'members:write'], 'members:*', true],
    [['tenant:read', 'tenant:write'], 'tenant:*', false],
    [['members:read'], 'members:write', false],
    [['members:read'], 'members:*', false],
    [['members:*'], '*', false],
    [['members:*'], 'tokens:read', false],
    [[], 'members:read', false],
  ])('%j cover %s: %s', (held, wanted, covered) => {
    expect(covers(held, wanted)).toBe(covered);
  });
});
