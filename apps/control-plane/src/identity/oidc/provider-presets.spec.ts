import { describe, expect, it } from 'vitest';
import { isLoopback, parseIssuer, PRESETS } from './provider-presets.js';

describe('parseIssuer', () => {
  it.each([
    ['https://accounts.example.com', 'https://accounts.example.com'],
    ['https://accounts.example.com/', 'https://accounts.example.com'],
    ['https://example.com/realms/main', 'https://example.com/realms/main'],
    ['https://example.com/tenant/', 'https://example.com/tenant/'],
    ['http://127.0.0.1:4000', 'http://127.0.0.1:4000'],
    ['http://localhost:4000', 'http://localhost:4000'],
    ['http://[::1]:4000/x', 'http://[::1]:4000/x'],
  ])('takes %s', (text, issuer) => expect(parseIssuer(text)).toBe(issuer));

  it.each([
    'http://accounts.example.com',
    'http://10.0.0.1',
    'http://localhost.example.com',
    'https://user:word@example.com',
    'https://example.com?x=1',
    'https://example.com#x',
    'ftp://127.0.0.1',
    'accounts.example.com',
    '',
  ])('refuses %s', (text) => expect(parseIssuer(text)).toBeUndefined());

  it.each(Object.values(PRESETS).map((preset) => preset.issuer))('knows the preset %s', (issuer) =>
    expect(parseIssuer(issuer)).toBe(issuer),
  );
});

it('knows this machine by every address', () => {
  for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '[::1]', '[::ffff:127.0.0.1]'])
    expect(isLoopback(new URL(`http://${host}/`))).toBe(true);
  for (const host of ['10.0.0.1', 'example.com', 'localhost.example.com', '[fe80::1]'])
    expect(isLoopback(new URL(`http://${host}/`))).toBe(false);
});
