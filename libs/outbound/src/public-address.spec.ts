import { describe, expect, it } from 'vitest';
import { isPublicAddress } from './public-address.js';
import { assertPublicUrl } from './public-agent.js';

describe('isPublicAddress', () => {
  it.each([
    '8.8.8.8',
    '93.184.215.14',
    '2606:4700:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
    '2002:808:808::1',
  ])('admits %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    '127.0.0.1',
    '127.1.2.3',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'ff02::1',
    '2001:db8::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '2002:a9fe:a9fe::1',
    'not an address',
    '',
  ])('refuses %s', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('assertPublicUrl', () => {
  it.each(['https://hooks.example.com/in', 'https://hooks.example.com:8443/in?x=1', 'https://8.8.8.8/'])(
    'admits %s',
    (url) => expect(assertPublicUrl(url).protocol).toBe('https:'),
  );

  it.each([
    'http://hooks.example.com/',
    'ftp://hooks.example.com/',
    'https://user:word@hooks.example.com/',
    'https://localhost/',
    'https://x.localhost/',
    'https://metadata.google.internal/',
    'https://intranet/',
    'https://127.0.0.1/',
    'https://2130706433/', // 127.0.0.1 as one number
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:169.254.169.254]/',
    'hooks.example.com',
  ])('refuses %s', (url) => expect(() => assertPublicUrl(url)).toThrow(/cannot be called/));

  it('admits private receivers where the installation says so', () => {
    expect(assertPublicUrl('http://127.0.0.1:9000/', { allowPrivate: true }).port).toBe('9000');
    expect(() => assertPublicUrl('file:///etc/passwd', { allowPrivate: true })).toThrow(/cannot be called/);
  });
});
