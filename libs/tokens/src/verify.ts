import type { MemberClaims } from '#libs/contracts';
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import { TokenExpired, TokenInvalid } from './errors.js';

/** The only algorithm member tokens use; anything else is refused before a key is looked up. */
export const MEMBER_TOKEN_ALGORITHM = 'ES256';
export const MEMBER_TOKEN_TYPE = 'wirebot-member+jwt';
/** How far clocks may differ, in seconds. */
export const CLOCK_SKEW_SECONDS = 5;

export interface MemberTokenVerifier {
  /** Resolves with the claims; rejects with TokenExpired or TokenInvalid. */
  verify(token: string, now?: Date): Promise<MemberClaims>;
}

const isStringArray = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string');

function isMemberClaims(claims: Record<string, unknown>): boolean {
  const texts = ['iss', 'sub', 'tid', 'wid', 'jti'].every((name) => typeof claims[name] === 'string');
  const mode = claims['trust_mode_max'];
  return (
    texts &&
    Number.isInteger(mode) &&
    (mode as number) >= 0 &&
    (mode as number) <= 3 &&
    isStringArray(claims['scopes']) &&
    isStringArray(claims['surfaces']) &&
    typeof claims['iat'] === 'number' &&
    typeof claims['exp'] === 'number'
  );
}

/** Verifies member tokens against a key set; knows nothing of revocation, which is the caller's. */
export function createMemberTokenVerifier(
  issuer: string,
  jwks: { keys: readonly Record<string, unknown>[] },
): MemberTokenVerifier {
  const keys = createLocalJWKSet(jwks as unknown as JSONWebKeySet);
  return {
    async verify(token, now = new Date()) {
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          algorithms: [MEMBER_TOKEN_ALGORITHM],
          typ: MEMBER_TOKEN_TYPE,
          clockTolerance: CLOCK_SKEW_SECONDS,
          currentDate: now,
        });
        if (!isMemberClaims(payload)) throw new TokenInvalid();
        return payload as unknown as MemberClaims;
      } catch (cause) {
        if (cause instanceof TokenInvalid) throw cause;
        if (cause instanceof errors.JWTExpired) throw new TokenExpired({ cause });
        throw new TokenInvalid({ cause });
      }
    },
  };
}
