import { expect, it } from 'vitest';
import { parseFragment } from './fragment.js';

const token = 'a'.repeat(43);

it.each([
  ['', { kind: 'overview' }],
  ['#', { kind: 'overview' }],
  ['#anything', { kind: 'overview' }],
  ['#security', { kind: 'security' }],
  ['#second-factor=totp%2Crecovery-code', { kind: 'second-factor' }],
  ['#error=link-required', { kind: 'error', code: 'link-required' }],
  ['#error=%E0%A4%A', { kind: 'error', code: '%E0%A4%A' }],
  [`#magic=${token}`, { kind: 'magic', token }],
  [`#password-reset=${token}`, { kind: 'password-reset', token }],
  [`#invitation=${token}`, { kind: 'invitation', token }],
  ['#magic=short', { kind: 'error', code: 'link-invalid' }],
  ['#magic', { kind: 'error', code: 'link-invalid' }],
])('reads %s', (hash, expected) => expect(parseFragment(hash)).toEqual(expected));
