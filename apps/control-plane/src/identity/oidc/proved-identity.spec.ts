import { describe, expect, it } from 'vitest';
import { domainOf, identityOf } from './proved-identity.js';

const verified = (claims: Record<string, unknown>, iss = 'https://id.example.com') =>
  identityOf({ iss, sub: 's1', ...claims }).emailVerified;

describe('an address is vouched for', () => {
  it('when the provider says that it is verified, as a boolean or as text', () => {
    expect(verified({ email: 'mia@acme.test', email_verified: true })).toBe(true);
    expect(verified({ email: 'mia@acme.test', email_verified: 'true' })).toBe(true);
    for (const email_verified of [false, 'false', undefined, null, 'yes', 0])
      expect(verified({ email: 'mia@acme.test', email_verified })).toBe(false);
  });

  it('never when it is no address', () => {
    for (const email of [undefined, null, '', ' ', 'mia', 'a b@acme.test', 'a@b@acme.test', 7])
      expect(verified({ email, email_verified: true })).toBe(false);
  });

  it('by Google only for its own mail and for organisations at Google', () => {
    const google = 'https://accounts.google.com';
    expect(verified({ email: 'mia@gmail.com', email_verified: true }, google)).toBe(true);
    expect(verified({ email: 'mia@acme.test', email_verified: true, hd: 'acme.test' }, google)).toBe(true);
    expect(verified({ email: 'mia@acme.test', email_verified: true }, google)).toBe(false);
    expect(verified({ email: 'mia@acme.test', email_verified: true, hd: 'other.test' }, google)).toBe(false);
    expect(verified({ email: 'mia@gmail.com', email_verified: false }, google)).toBe(false);
  });

  it('by Microsoft only when the domain’s owner was verified, whatever else the token says', () => {
    const microsoft = 'https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0';
    expect(verified({ email: 'ceo@acme.test', email_verified: true }, microsoft)).toBe(false);
    expect(verified({ email: 'ceo@acme.test' }, microsoft)).toBe(false);
    expect(verified({ email: 'ceo@acme.test', xms_edov: '0' }, microsoft)).toBe(false);
    for (const xms_edov of [true, 'true', '1', 1])
      expect(verified({ email: 'ceo@acme.test', xms_edov }, microsoft)).toBe(true);
  });
});

it('keeps accounts of two organisations at Microsoft apart', () => {
  const of = (tid: string) =>
    identityOf({ iss: `https://login.microsoftonline.com/${tid}/v2.0`, sub: 's1', tid }).subject;
  expect(of('t1')).toBe('t1/s1');
  expect(of('t2')).not.toBe(of('t1'));
  expect(identityOf({ iss: 'https://id.example.com', sub: 's1', tid: 't1' }).subject).toBe('s1');
});

it('compares addresses in lower case, by the domain behind the last at sign', () => {
  expect(identityOf({ iss: 'https://id.example.com', sub: '1', email: ' Mia@Acme.TEST ' }).email).toBe('mia@acme.test');
  expect(domainOf('"a@evil.test"@Acme.test')).toBe('acme.test');
});
