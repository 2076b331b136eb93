import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { es256, hs256, malleated, part, publicSpellings, rs256 } from '#libs/testing';
import { generateSigningKey, type SigningKey } from './issue.js';
import { isSiteTokenShaped, type SiteTokenRules, verifySiteToken } from './site-token.js';

const now = new Date('2026-03-01T12:00:00Z');
const seconds = now.getTime() / 1_000;
const secret = randomBytes(32);
const rules = (over: Partial<SiteTokenRules> = {}): SiteTokenRules => ({
  secrets: [secret],
  issuer: null,
  audience: null,
  ...over,
});
const header = { typ: 'JWT', alg: 'HS256' };
const claims = (over: Record<string, unknown> = {}) => ({ user_id: 'wp-7', iat: seconds, exp: seconds + 300, ...over });
const verify = (token: string, by = rules()) => verifySiteToken(token, by, now);
const codeOf = async (token: string, by = rules()): Promise<string> =>
  verify(token, by).then(
    () => 'accepted',
    (error: { code?: string }) => error.code ?? String(error),
  );

let key: SigningKey;
beforeAll(async () => {
  key = await generateSigningKey();
});

describe('a token of a membership site', () => {
  it('says who, from when to when, and how far', async () => {
    expect(await verify(hs256(secret, header, claims({ trust_mode: 1 })))).toEqual({
      externalId: 'wp-7',
      issuedAt: seconds,
      expiresAt: seconds + 300,
      trustMode: 1,
    });
  });

  it('names the member as user_id or sub, as a text or as the number that WordPress has', async () => {
    const idOf = async (over: object) => (await verify(hs256(secret, header, claims(over as never)))).externalId;
    expect(await idOf({ user_id: undefined, sub: 'wp-8' })).toBe('wp-8');
    expect(await idOf({ user_id: 42 })).toBe('42');
    expect(await idOf({ user_id: 42, sub: '42' })).toBe('42');
  });

  it.each([
    { user_id: undefined },
    { user_id: '' },
    { user_id: null },
    { user_id: 1.5 },
    { user_id: ['wp-7'] },
    { user_id: 'a'.repeat(129) },
    { user_id: 'wp-7', sub: 'wp-8' },
    { user_id: { $ne: '' } },
  ])('that names nobody, or two, is refused: %j', async (over) => {
    expect(await codeOf(hs256(secret, header, claims(over)))).toBe('token-invalid');
  });

  it('counts as issued a day before its end when it does not say when', async () => {
    expect((await verify(hs256(secret, header, claims({ iat: undefined })))).issuedAt).toBe(seconds + 300 - 86_400);
  });

  it('ends when it says, within a day, and begins no later than a slow clock explains', async () => {
    const at = (over: object) => codeOf(hs256(secret, header, claims(over as never)));
    expect([await at({ exp: seconds + 1 }), await at({ exp: seconds, iat: seconds - 9 })]).toEqual([
      'accepted',
      'token-expired',
    ]);
    expect([await at({ exp: seconds + 86_460 }), await at({ exp: seconds + 86_461 })]).toEqual([
      'accepted',
      'token-invalid',
    ]);
    expect([await at({ iat: seconds + 60 }), await at({ iat: seconds + 61 })]).toEqual(['accepted', 'token-invalid']);
    expect([await at({ nbf: seconds + 60 }), await at({ nbf: seconds + 61 })]).toEqual(['accepted', 'token-invalid']);
    expect(await at({ exp: undefined })).toBe('token-invalid');
    expect(await at({ exp: String(seconds + 300) })).toBe('token-invalid');
    expect(await at({ iat: 'now' })).toBe('token-invalid');
  });

  it('has the issuer and audience that the tenant configured', async () => {
    const strict = rules({ issuer: 'https://club.test', audience: 'wirebot' });
    const good = { iss: 'https://club.test', aud: 'wirebot' };
    expect(await codeOf(hs256(secret, header, claims(good)), strict)).toBe('accepted');
    for (const over of [
      {},
      { iss: good.iss },
      { aud: good.aud },
      { ...good, iss: 'https://club.test.evil' },
      { ...good, aud: 'other' },
    ])
      expect(await codeOf(hs256(secret, header, claims(over)), strict)).toBe('token-invalid');
  });

  it('may be signed with the secret before the last one, while that one is kept', async () => {
    const before = randomBytes(32);
    expect(await codeOf(hs256(before, header, claims()), rules({ secrets: [secret, before] }))).toBe('accepted');
    expect(await codeOf(hs256(before, header, claims()))).toBe('token-invalid');
    expect(await codeOf(hs256(before, header, claims()), rules({ secrets: [] }))).toBe('token-invalid');
  });

  it.each([-1, 1.5, '3', null, [1]])('with trust_mode %j is refused', async (trust_mode) => {
    expect(await codeOf(hs256(secret, header, claims({ trust_mode })))).toBe('token-invalid');
  });
});

describe('a forged token of a membership site', () => {
  it('of no algorithm, of another, or with another HMAC is refused', async () => {
    for (const alg of ['none', 'None', '', undefined, 'hs256', 'HS384', 'HS512', 'ES256', 'RS256', ['HS256']])
      expect(await codeOf(hs256(secret, { ...header, alg }, claims()))).toBe('token-invalid');
    expect(await codeOf(hs256(secret, header, claims(), 'sha512'))).toBe('token-invalid');
    expect(await codeOf(`${part({ ...header, alg: 'none' })}.${part(claims())}.`)).toBe('token-invalid');
    expect(await codeOf(rs256({ ...header, alg: 'RS256' }, claims()))).toBe('token-invalid');
    expect(await codeOf(es256(key, { ...header, alg: 'ES256' }, claims()))).toBe('token-invalid');
    expect(await codeOf(malleated(es256(key, { ...header, alg: 'HS256' }, claims())))).toBe('token-invalid');
  });

  it('with our public key as the secret is refused', async () => {
    for (const [, spelling] of publicSpellings(key))
      expect(await codeOf(hs256(spelling, header, claims()))).toBe('token-invalid');
  });

  it.each([
    { kid: 'k1' },
    { kid: '../../dev/null' },
    { jwk: { kty: 'oct', k: 'AAAA' } },
    { jku: 'http://127.0.0.1:1/' },
    { x5u: 'http://127.0.0.1:1/' },
    { x5c: ['AAAA'] },
    { crit: ['exp'] },
    { crit: ['b64'], b64: false },
    { b64: false },
    { zip: 'DEF' },
    { typ: 'wirebot-member+jwt' },
    { typ: 1 },
  ])('with %j in its header is refused although the secret is right', async (extra) => {
    const token = hs256(secret, { ...header, ...extra }, claims());
    expect(isSiteTokenShaped(token)).toBe(false);
    expect(await codeOf(token)).toBe('token-invalid');
  });

  it('is not verified with a secret that is too short to be one', async () => {
    for (const weak of ['', 'secret', 'x'.repeat(31)])
      expect(await codeOf(hs256(weak, header, claims()), rules({ secrets: [Buffer.from(weak)] }))).toBe(
        'token-invalid',
      );
  });
});
