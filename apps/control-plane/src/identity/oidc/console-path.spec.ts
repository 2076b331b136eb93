import { describe, expect, it } from 'vitest';
import { consolePath, consoleWith } from './console-path.js';

describe('consolePath', () => {
  it.each(['/admin/', '/admin/#security', '/admin/?x=1#y', '/admin/members/a%20b'])('goes on to %s', (path) =>
    expect(consolePath(path)).toBe(path),
  );

  it.each([
    undefined,
    '',
    '/',
    '/v1/session/oidc/evil/link',
    '/admin',
    '//evil.test/admin/',
    '/\\evil.test/admin/',
    'https://evil.test/admin/',
    'javascript:alert(1)',
    '/admin/../v1/session/oidc/evil/link',
    '/admin/..%2f../../v1/x',
    '/admin/.%2e/v1/x',
    '/admin/\t/../../v1/x',
    ' /admin/',
    `/admin/${'x'.repeat(600)}`,
  ])('stays at home for %s', (path) => expect(consolePath(path).startsWith('/admin/')).toBe(true));

  it('stays at home for a path that leaves the console', () => {
    for (const path of ['/admin/../v1/x', '/admin/.%2e/v1/x', '/admin/\t/../../v1/x'])
      expect(consolePath(path)).toBe('/admin/');
  });

  it('takes another home', () => expect(consolePath(undefined, '/admin/#security')).toBe('/admin/#security'));
});

it('tells the console things that stay one value', () =>
  expect(consoleWith('error', 'a b&c')).toBe('/admin/#error=a%20b%26c'));
