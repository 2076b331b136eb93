import { MEMBER_TOKEN_AUDIENCE, type MemberClaims } from '#libs/contracts';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { MEMBER_TOKEN_ALGORITHM, MEMBER_TOKEN_TYPE } from './verify.js';

export interface SigningKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  /** Secret: kept encrypted at rest, never leaves the control plane. */
  readonly privateJwk: JWK;
}

/** Everything but the audience, which is always the same. */
export type MemberClaimsToSign = Omit<MemberClaims, 'aud'>;

export async function generateSigningKey(): Promise<SigningKey> {
  const pair = await generateKeyPair(MEMBER_TOKEN_ALGORITHM, { extractable: true });
  const publicJwk = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const common = { kid, alg: MEMBER_TOKEN_ALGORITHM, use: 'sig' };
  return {
    kid,
    publicJwk: { ...publicJwk, ...common },
    privateJwk: { ...(await exportJWK(pair.privateKey)), ...common },
  };
}

/** Imported once per key object; forgotten with it. */
const imported = new WeakMap<SigningKey, ReturnType<typeof importJWK>>();

function privateKeyOf(key: SigningKey): ReturnType<typeof importJWK> {
  const known = imported.get(key) ?? importJWK(key.privateJwk, MEMBER_TOKEN_ALGORITHM);
  imported.set(key, known);
  return known;
}

export async function signMemberToken(key: SigningKey, claims: MemberClaimsToSign): Promise<string> {
  return new SignJWT({ ...claims, aud: MEMBER_TOKEN_AUDIENCE })
    .setProtectedHeader({ alg: MEMBER_TOKEN_ALGORITHM, typ: MEMBER_TOKEN_TYPE, kid: key.kid })
    .sign(await privateKeyOf(key));
}
