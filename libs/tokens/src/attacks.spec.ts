import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { b64, es256, hs256, malleated, memberClaims, part, publicSpellings, rs256, withSignature } from '#libs/testing';
import { LONGEST_TOKEN, readCompact } from './compact.js';
import { generateSigningKey, type SigningKey, signMemberToken } from './issue.js';
import { createMemberTokenVerifier, type MemberTokenVerifier } from './verify.js';

const now = new Date('2026-03-01T12:00:00Z');
const seconds = now.getTime() / 1_000;
const ISSUER = 'https://issuer.test';

let key: SigningKey;
let other: SigningKey;
let verifier: MemberTokenVerifier;
let header: { alg: string; typ: string; kid: string };
const claims = (over: Parameters<typeof memberClaims>[1] = {}) => memberClaims(now, over);
const codeOf = async (token: string): Promise<string> =>
  verifier.verify(token, now).then(
    () => 'accepted',
    (error: { code?: string }) => error.code ?? String(error),
  );

beforeAll(async () => {
  [key, other] = [await generateSigningKey(), await generateSigningKey()];
  header = { alg: 'ES256', typ: 'wirebot-member+jwt', kid: key.kid };
  verifier = createMemberTokenVerifier(ISSUER, { keys: [key.publicJwk as Record<string, unknown>] });
});

describe('the forger of these tests', () => {
  it('makes tokens that are accepted when nothing about them is wrong, so that a refusal has one reason', async () => {
    expect(await codeOf(es256(key, header, claims()))).toBe('accepted');
    expect(await codeOf(await signMemberToken(key, claims() as never))).toBe('accepted');
  });
});

describe('another algorithm', () => {
  it.each(['none', 'None', 'NONE', 'nOnE', ''])('%j without a signature is refused', async (alg) => {
    for (const tail of ['.', '', '.AA']) {
      const token = `${part({ ...header, alg })}.${part(claims())}${tail}`;
      expect(await codeOf(token)).toBe('token-invalid');
    }
  });

  it('the public key is no HMAC secret, however it is written', async () => {
    for (const [, secret] of publicSpellings(key)) {
      for (const alg of ['HS256', 'ES256', 'hs256'])
        expect(await codeOf(hs256(secret, { ...header, alg }, claims()))).toBe('token-invalid');
      expect(await codeOf(hs256(secret, { ...header, alg: 'HS512' }, claims(), 'sha512'))).toBe('token-invalid');
    }
  });

  it('an RSA signature is refused under every name', async () => {
    for (const alg of ['RS256', 'PS256', 'ES256'])
      expect(await codeOf(rs256({ ...header, alg }, claims()))).toBe('token-invalid');
  });

  it.each([undefined, null, ['ES256'], { toString: 'ES256' }, 256, 'es256', 'ES384', 'ES256K', 'EdDSA'])(
    'alg %j over a good signature is refused',
    async (alg) => {
      expect(await codeOf(es256(key, { ...header, alg }, claims()))).toBe('token-invalid');
    },
  );
});

describe('a key that the token brings along', () => {
  it('is never used: jwk, jku, x5c, x5u, x5t', async () => {
    const attacker = { ...header, kid: other.kid };
    const chain = [b64(Buffer.from('certificate'))];
    const injections = [
      { jwk: other.publicJwk },
      { jku: 'http://127.0.0.1:1/jwks.json' },
      { x5u: 'http://127.0.0.1:1/cert.pem' },
      { x5c: chain },
      { x5t: 'AAAA' },
      { 'x5t#S256': 'AAAA' },
    ];
    for (const injection of injections) {
      // Signed by the attacker's key, and under our kid too.
      expect(await codeOf(es256(other, { ...attacker, ...injection }, claims()))).toBe('token-invalid');
      expect(await codeOf(es256(other, { ...header, ...injection }, claims()))).toBe('token-invalid');
      // Even a token of ours must not carry one.
      expect(await codeOf(es256(key, { ...header, ...injection }, claims()))).toBe('token-invalid');
    }
  });
});

describe('kid', () => {
  it.each([
    'unknown',
    '',
    '../../../../dev/null',
    '/dev/null',
    "' OR '1'='1",
    "x' UNION SELECT public_jwk FROM signing_keys --",
    'k\u0000ey',
    '__proto__',
    'constructor',
    'a'.repeat(2_000),
  ])('%j finds no key', async (kid) => {
    expect(await codeOf(es256(key, { ...header, kid }, claims()))).toBe('token-invalid');
    expect(await codeOf(es256(other, { ...header, kid }, claims()))).toBe('token-invalid');
  });

  it.each([null, 1, ['k'], {}, true])('%j, which is no text, is refused', async (kid) => {
    expect(await codeOf(es256(key, { ...header, kid }, claims()))).toBe('token-invalid');
  });

  it('has to be there, even with one key in the set', async () => {
    expect(await codeOf(es256(key, { alg: 'ES256', typ: header.typ }, claims()))).toBe('token-invalid');
  });

  it('named by two keys is nobody’s', async () => {
    const twin = { ...(other.publicJwk as Record<string, unknown>), kid: key.kid };
    const ambiguous = createMemberTokenVerifier(ISSUER, { keys: [key.publicJwk as Record<string, unknown>, twin] });
    await expect(ambiguous.verify(es256(other, header, claims()), now)).rejects.toMatchObject({
      code: 'token-invalid',
    });
  });

  it('of one key does not lend its name to another key’s signature', async () => {
    const both = createMemberTokenVerifier(ISSUER, {
      keys: [key, other].map((one) => one.publicJwk as Record<string, unknown>),
    });
    await expect(both.verify(es256(other, header, claims()), now)).rejects.toMatchObject({ code: 'token-invalid' });
    expect(await both.verify(es256(other, { ...header, kid: other.kid }, claims()), now)).toMatchObject({
      sub: 'mem_a',
    });
  });
});

describe('a header that asks for something', () => {
  it.each([
    { crit: ['exp'] },
    { crit: [] },
    { crit: ['b64'], b64: false },
    { b64: false },
    { b64: true },
    { zip: 'DEF' },
    { cty: 'JWT' },
    { enc: 'A256GCM' },
    { p2c: 2_000_000_000 },
    { unknown: 1 },
    { __proto__x: 1 },
  ])('%j is refused, whoever signed it', async (extra) => {
    expect(await codeOf(es256(key, { ...header, ...extra }, claims()))).toBe('token-invalid');
  });

  it.each([
    undefined,
    'JWT',
    'at+jwt',
    'wirebot-session+jwt',
    'wirebot-member+jwt;x',
    'application/jwt',
    'WIREBOT-MEMBER',
  ])('typ %j (an id token, a session, another kind of token) is refused', async (typ) => {
    expect(await codeOf(es256(key, { ...header, typ }, claims()))).toBe('token-invalid');
  });
});

describe('claims', () => {
  it.each([
    ['another issuer', { iss: 'https://evil.test' }],
    ['an issuer that only begins like ours', { iss: `${ISSUER}.evil.test` }],
    ['a list of issuers', { iss: [ISSUER] }],
    ['no issuer', { iss: undefined }],
    ['no audience', { aud: undefined }],
    ['another audience', { aud: 'wirebot-console' }],
    ['a list of audiences with ours in it', { aud: ['wirebot-gateway', 'elsewhere'] }],
    ['a mode above 3', { trust_mode_max: 4 }],
    ['a mode below 0', { trust_mode_max: -1 }],
    ['half a mode', { trust_mode_max: 1.5 }],
    ['a mode as a text', { trust_mode_max: '3' }],
    ['scopes as a text', { scopes: 'chat' }],
    ['no surfaces', { surfaces: undefined }],
    ['no jti', { jti: undefined }],
    ['a member id that is a list', { sub: ['mem_a'] }],
    ['no tenant', { tid: undefined }],
    ['an end as a text', { exp: String(seconds + 900) }],
    ['no end', { exp: undefined }],
    ['no beginning', { iat: undefined }],
    ['an end before its beginning', { iat: seconds, exp: seconds }],
    ['a life of a year', { exp: seconds + 365 * 86_400 }],
  ])('with %s are refused although the signature is good', async (_name, over) => {
    expect(await codeOf(es256(key, header, claims(over)))).toBe('token-invalid');
  });

  it('are good for as long as clocks may differ beyond their end, and no second longer', async () => {
    const ended = (ago: number) => es256(key, header, claims({ iat: seconds - 600, exp: seconds - ago }));
    expect([await codeOf(ended(0)), await codeOf(ended(4)), await codeOf(ended(5))]).toEqual([
      'accepted',
      'accepted',
      'token-expired',
    ]);
  });

  it('may begin as far ahead as clocks may differ, and be dated a minute ahead, and no second further', async () => {
    const ahead = (name: 'nbf' | 'iat', by: number) => codeOf(es256(key, header, claims({ [name]: seconds + by })));
    expect([await ahead('nbf', 5), await ahead('nbf', 6)]).toEqual(['accepted', 'token-invalid']);
    expect([await ahead('iat', 60), await ahead('iat', 61)]).toEqual(['accepted', 'token-invalid']);
  });

  it('live eight hours at most', async () => {
    const life = (long: number) => es256(key, header, claims({ exp: seconds + long }));
    expect([await codeOf(life(8 * 3_600)), await codeOf(life(8 * 3_600 + 1))]).toEqual(['accepted', 'token-invalid']);
  });
});

describe('the spelling', () => {
  it('is the only one: spare bits, padding, whitespace and the other alphabet are refused', async () => {
    const token = await signMemberToken(key, claims() as never);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(token.at(-1)!);
    // 64 bytes take 86 characters and four spare bits: sixteen spellings of one signature.
    const twins = Array.from({ length: 16 }, (_, bits) => token.slice(0, -1) + alphabet[(last & ~15) | bits]!);
    const accepted = (await Promise.all(twins.map(codeOf))).filter((code) => code === 'accepted');
    expect(accepted).toHaveLength(1);
    const spelled = [
      `${token}=`,
      `${token}==`,
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `${token}.`,
      `.${token}`,
      `${token}.e30`,
    ];
    for (const wrong of [...spelled, token.replaceAll('.', '..'), token.replace('.', '%2E')])
      expect(await codeOf(wrong)).toBe('token-invalid');
  });

  it('of an empty text, empty parts and the JSON form of a JWS is refused', async () => {
    const [protectedHeader, payload, signature] = es256(key, header, claims()).split('.');
    const json = JSON.stringify({ protected: protectedHeader, payload, signature });
    for (const wrong of ['', '.', '..', '...', json, 'a.b.c', 'e30.e30.', `${part('null')}.${part('null')}.AA`])
      expect(await codeOf(wrong)).toBe('token-invalid');
  });

  it('may be long, but not longer than any token needs', async () => {
    const padded = (size: number) => es256(key, header, claims({ gw: 'g'.repeat(size) }));
    expect(await codeOf(padded(100))).toBe('accepted');
    expect(padded(LONGEST_TOKEN).length).toBeGreaterThan(LONGEST_TOKEN);
    expect(await codeOf(padded(LONGEST_TOKEN))).toBe('token-invalid');
    expect(await codeOf(padded(8 * 1024 * 1024))).toBe('token-invalid');
  });

  it('of JSON with a key twice never says one thing to the signer and another to the verifier', async () => {
    const twice = (text: string) => `{"alg":"none",${text.slice(1)}`;
    // A header with alg twice: unsigned it is refused, signed it reads like the last one, as it was signed.
    expect(await codeOf(`${b64(twice(JSON.stringify(header)))}.${part(claims())}.`)).toBe('token-invalid');
    const raised = JSON.stringify(claims()).replace('{', '{"trust_mode_max":3,');
    const [, , signature] = es256(key, header, claims()).split('.');
    expect(await codeOf(`${part(header)}.${b64(raised)}.${signature}`)).toBe('token-invalid');
  });

  it('of bytes that are not UTF-8 is refused before anything is read', () => {
    const bad = Buffer.concat([Buffer.from('{"alg":"ES256","x":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    expect(readCompact(`${b64(bad)}.${part(claims())}.AAAA`)).toBeUndefined();
    expect(readCompact(`${b64('\ufeff{"alg":"ES256"}')}.${part(claims())}.AAAA`)).toBeUndefined();
  });
});

describe('the signature', () => {
  it('of zeros, of the group order, of ones, cut, doubled or empty is refused', async () => {
    const token = es256(key, header, claims());
    const good = Buffer.from(token.split('.')[2]!, 'base64url');
    const n = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
    const one = Buffer.alloc(32);
    one[31] = 1;
    const forged = [
      Buffer.alloc(64), // CVE-2022-21449: r = s = 0
      Buffer.concat([n, n]),
      Buffer.concat([one, one]),
      Buffer.concat([Buffer.alloc(32), one]),
      Buffer.concat([one, Buffer.alloc(32)]),
      Buffer.concat([good.subarray(0, 32), Buffer.alloc(32)]),
      good.subarray(0, 63),
      good.subarray(0, 32),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.concat([good, good]),
      Buffer.concat([good.subarray(32), good.subarray(0, 32)]),
      Buffer.alloc(64, 0xff),
    ];
    for (const signature of forged) expect(await codeOf(withSignature(token, signature))).toBe('token-invalid');
    expect(await codeOf(withSignature(token, ''))).toBe('token-invalid');
  });

  it('in DER, as other systems write it, is refused', async () => {
    expect(await codeOf(es256(key, header, claims(), 'der'))).toBe('token-invalid');
  });

  it('may be turned into its twin (r, n - s), which says nothing else: same jti, so a revocation covers both', async () => {
    const token = es256(key, header, claims());
    const twin = malleated(token);
    expect(twin).not.toBe(token);
    expect(await verifier.verify(twin, now)).toEqual(await verifier.verify(token, now));
  });

  it('of another message, another key or another curve is refused', async () => {
    const [protectedHeader, , signature] = es256(key, header, claims()).split('.');
    expect(await codeOf(`${protectedHeader}.${part(claims({ trust_mode_max: 3 }))}.${signature}`)).toBe(
      'token-invalid',
    );
    expect(await codeOf(es256(other, header, claims()))).toBe('token-invalid');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const foreign = { ...key, privateJwk: privateKey.export({ format: 'jwk' }) } as SigningKey;
    expect(await codeOf(es256(foreign, header, claims()))).toBe('token-invalid');
  });

  it('covers every character: whichever one changes, the token is refused', async () => {
    const token = es256(key, header, claims());
    const changed = [...token].map((character, at) => {
      const next = character === 'A' ? 'B' : 'A';
      return token.slice(0, at) + next + token.slice(at + 1);
    });
    expect(new Set(await Promise.all(changed.map(codeOf)))).toEqual(new Set(['token-invalid']));
  });
});
