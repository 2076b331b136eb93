import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { BrokerKeysInvalid } from './errors.js';

/** Source: RFC 7518, 4.6 (ECDH-ES with key wrapping) and 5.3 (A256GCM); RFC 8037 (X25519). */
export const SEALING = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', crv: 'X25519' } as const;

/** A key of the model broker: its private half is in a file that the proxy alone reads. */
export interface BrokerKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
}

export async function generateBrokerKey(): Promise<BrokerKey> {
  const pair = await generateKeyPair(SEALING.alg, { crv: SEALING.crv, extractable: true });
  return toBrokerKey(await exportJWK(pair.privateKey));
}

/** Reads `{"keys": [...]}` with private keys, the current one first. Throws BrokerKeysInvalid. */
export async function parsePrivateKeys(text: string): Promise<[BrokerKey, ...BrokerKey[]]> {
  const set = parseJson(text) as { keys?: unknown } | null;
  const entries = Array.isArray(set?.keys) ? (set.keys as JWK[]) : [];
  if (!entries.every((entry) => isOurs(entry) && typeof entry.d === 'string'))
    throw new BrokerKeysInvalid('Broker keys must be X25519 keys with their private half, as `{"keys": [...]}`.');
  const [first, ...others] = await Promise.all(entries.map(toBrokerKey));
  if (!first) throw new BrokerKeysInvalid('There is no broker key. Make one: npm run wirebot -- secrets broker-key.');
  return [first, ...others];
}

/** Reads one public key. Throws BrokerKeysInvalid, also when the private half is with it: that must not be here. */
export async function parsePublicKey(text: string): Promise<JWK & { readonly kid: string }> {
  const jwk = parseJson(text) as JWK;
  if (!isOurs(jwk)) throw new BrokerKeysInvalid("The broker's public key must be one X25519 key as a JWK.");
  if (jwk.d !== undefined)
    throw new BrokerKeysInvalid("The broker's private key was given where only its public key may be. Make a new one.");
  return publicHalf(jwk);
}

async function toBrokerKey(jwk: JWK): Promise<BrokerKey> {
  const publicJwk = await publicHalf(jwk);
  return { kid: publicJwk.kid, publicJwk, privateJwk: { ...publicJwk, d: jwk.d! } };
}

/** The id follows from the key, so that none can be passed off as another. */
async function publicHalf({ kty, crv, x }: JWK): Promise<JWK & { kid: string }> {
  const bare = { kty: kty!, crv: crv!, x: x! };
  return { ...bare, kid: await calculateJwkThumbprint(bare), alg: SEALING.alg, use: 'enc' };
}

const isOurs = (jwk: JWK | null): jwk is JWK =>
  jwk !== null && jwk.kty === 'OKP' && jwk.crv === SEALING.crv && typeof jwk.x === 'string';

function parseJson(text: string): unknown {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' ? value : null;
  } catch {
    return null; // what is wrong with it could only be said by quoting it
  }
}
