import type { MemberClaims } from '#libs/contracts';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { MEMBER_TOKEN_ALGORITHM, MEMBER_TOKEN_TYPE } from './verify.js';

export interface SigningKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  /** Secret: kept encrypted at rest, never leaves the control plane. */
  readonly privateJwk: JWK;
}

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

export async function signMemberToken(key: SigningKey, claims: MemberClaims): Promise<string> {
  const privateKey = await importJWK(key.privateJwk, MEMBER_TOKEN_ALGORITHM);
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: MEMBER_TOKEN_ALGORITHM, typ: MEMBER_TOKEN_TYPE, kid: key.kid })
    .sign(privateKey);
}
