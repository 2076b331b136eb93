import { MEMBER_TOKEN_AUDIENCE } from '#libs/contracts';
import { constants, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { MemberClaimsToSign, SigningKey } from '#libs/tokens';

/** Makes tokens no library would: every part as the attacker wants it. */
export const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');
export const part = (value: unknown): string => b64(typeof value === 'string' ? value : JSON.stringify(value));

/** Order of the P-256 group. */
const N = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

const privateKeyOf = (key: SigningKey) => createPrivateKey({ key: key.privateJwk as never, format: 'jwk' });
export const publicKeyOf = (key: SigningKey) => createPublicKey({ key: key.publicJwk as never, format: 'jwk' });

/** A good ES256 signature by the key over whatever header and payload; texts are taken as they are. */
export function es256(
  key: SigningKey,
  header: unknown,
  payload: unknown,
  encoding: 'ieee-p1363' | 'der' = 'ieee-p1363',
): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${b64(sign('sha256', Buffer.from(input), { key: privateKeyOf(key), dsaEncoding: encoding }))}`;
}

export function hs256(secret: string | Uint8Array, header: unknown, payload: unknown, hash = 'sha256'): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${b64(createHmac(hash, secret).update(input).digest())}`;
}

export function rs256(header: unknown, payload: unknown, padding = constants.RSA_PKCS1_PADDING): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${b64(sign('sha256', Buffer.from(input), { key: privateKey, padding }))}`;
}

/** The other signature that ECDSA accepts for the same message: (r, n - s). */
export function malleated(token: string): string {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const bytes = Buffer.from(signature, 'base64url');
  const s = N - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
  return `${header}.${payload}.${b64(other)}`;
}

export const withSignature = (token: string, signature: string | Uint8Array): string =>
  [...token.split('.').slice(0, 2), typeof signature === 'string' ? signature : b64(signature)].join('.');

export const memberClaims = (
  at: Date,
  over: Partial<Record<keyof MemberClaimsToSign | 'aud' | 'nbf', unknown>> = {},
) => {
  const iat = Math.floor(at.getTime() / 1_000);
  return {
    iss: 'https://issuer.test',
    aud: MEMBER_TOKEN_AUDIENCE,
    sub: 'mem_a',
    tid: 'ten_a',
    wid: 'wsp_a',
    trust_mode_max: 1,
    scopes: ['chat'],
    surfaces: ['web'],
    gw: null,
    iat,
    exp: iat + 900,
    jti: 'tok_a',
    ...over,
  };
};

/** The key as an attacker could try it for an HMAC secret: every spelling of it that is public. */
export function publicSpellings(key: SigningKey): [string, string | Uint8Array][] {
  const pem = publicKeyOf(key).export({ type: 'spki', format: 'pem' }).toString();
  const { x, y } = key.publicJwk as { x: string; y: string };
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return [
    ['as PEM', pem],
    ['as PEM without its last newline', pem.trimEnd()],
    ['as DER', publicKeyOf(key).export({ type: 'spki', format: 'der' })],
    ['as a JWK', JSON.stringify(key.publicJwk)],
    ['as a raw point', point],
    ['as its x coordinate', Buffer.from(x, 'base64url')],
    ['as its key id', key.kid],
    ['as nothing', ''],
  ];
}

/** Every way this file knows to make a bad member token out of good claims, by name. None may be accepted anywhere. */
export function forgedTokens(
  key: SigningKey,
  stranger: SigningKey,
  claims: Record<string, unknown>,
): [string, string][] {
  const header = { alg: 'ES256', typ: 'wirebot-member+jwt', kid: key.kid };
  const good = es256(key, header, claims);
  const now = Math.floor(Date.now() / 1_000);
  const signed = (over: object, changed: object = {}) => es256(key, { ...header, ...over }, { ...claims, ...changed });
  return [
    ['alg none', `${part({ ...header, alg: 'none' })}.${part(claims)}.`],
    ...publicSpellings(key).map(([how, secret]): [string, string] => [
      `HS256 with the public key ${how}`,
      hs256(secret, { ...header, alg: 'HS256' }, claims),
    ]),
    ['RS256', rs256({ ...header, alg: 'RS256' }, claims)],
    ["a stranger's key", es256(stranger, header, claims)],
    ['jwk injection', es256(stranger, { ...header, jwk: stranger.publicJwk }, claims)],
    ['jku injection', es256(stranger, { ...header, kid: stranger.kid, jku: 'http://127.0.0.1:1/jwks.json' }, claims)],
    ['x5u injection', es256(stranger, { ...header, x5u: 'http://127.0.0.1:1/cert' }, claims)],
    ['x5c injection', es256(stranger, { ...header, x5c: ['AAAA'] }, claims)],
    ['a kid that is a path', es256(stranger, { ...header, kid: '../../../../dev/null' }, claims)],
    ['a kid that is SQL', es256(stranger, { ...header, kid: "' OR 1=1 --" }, claims)],
    ['no kid', es256(key, { alg: 'ES256', typ: header.typ }, claims)],
    ['crit', signed({ crit: ['exp'] })],
    ['b64 false', signed({ crit: ['b64'], b64: false })],
    ['an id token', signed({ typ: 'JWT' })],
    ['a session token', signed({ typ: 'wirebot-session+jwt' })],
    ['another audience', signed({}, { aud: 'wirebot-console' })],
    ['no audience', signed({}, { aud: undefined })],
    ['another issuer', signed({}, { iss: 'https://evil.test' })],
    ['not yet valid', signed({}, { nbf: now + 60 })],
    ['issued in the future', signed({}, { iat: now + 300 })],
    ['expired', signed({}, { iat: now - 900, exp: now - 60 })],
    ['a life of a year', signed({}, { exp: now + 31_536_000 })],
    ['a DER signature', es256(key, header, claims, 'der')],
    ['a psychic signature', withSignature(good, Buffer.alloc(64))],
    ['a signature of ones', withSignature(good, Buffer.alloc(64, 1))],
    [
      'the signature of other claims',
      `${part(header)}.${part({ ...claims, trust_mode_max: 3, sub: 'x' })}.${good.split('.')[2]}`,
    ],
    ['a cut signature', good.slice(0, -4)],
    ['a longer signature', `${good}AAAA`],
    ['5,000 characters', signed({}, { gw: 'g'.repeat(4_000) })],
  ];
}
