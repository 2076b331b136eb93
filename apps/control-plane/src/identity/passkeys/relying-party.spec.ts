import { expect, it } from 'vitest';
import { relyingPartyOf } from './relying-party.js';

it.each([
  ['https://console.example.com', 'console.example.com', 'https://console.example.com'],
  ['https://console.example.com:8443', 'console.example.com', 'https://console.example.com:8443'],
  ['http://localhost:4101', 'localhost', 'http://localhost:4101'],
  ['http://127.0.0.1:4101', 'localhost', 'http://localhost:4101'],
  ['http://[::1]:4101', 'localhost', 'http://localhost:4101'],
])('%s has passkeys of %s at %s', (url, id, origin) => {
  expect(relyingPartyOf(url)).toEqual({ id, origins: [origin] });
});

it('an address of another machine has none', () => {
  expect(relyingPartyOf('https://192.0.2.7')).toBeUndefined();
  expect(relyingPartyOf('https://[2001:db8::1]:4101')).toBeUndefined();
});
