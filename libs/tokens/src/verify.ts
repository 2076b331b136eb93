import { MEMBER_TOKEN_AUDIENCE, type MemberClaims } from '#libs/contracts';
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import { type CompactToken, hasExactly, readCompact } from './compact.js';
import { TokenExpired, TokenInvalid } from './errors.js';

/** The only algorithm member tokens use; anything else is refused before a key is looked up. */
export const MEMBER_TOKEN_ALGORITHM = 'ES256';
export const MEMBER_TOKEN_TYPE = 'wirebot-member+jwt';
/** How far clocks may differ, in seconds. */
export const CLOCK_SKEW_SECONDS = 5;
/**
 * How far ahead a token may be dated, in seconds: one that is issued right after a revocation is dated after it, and several
 * revocations in one second add up.
 */
export const ISSUED_AHEAD_SECONDS = 60;
/** No member token lives longer, whoever signed it, in seconds. */
export const LONGEST_LIFE_SECONDS = 8 * 3_600;

/** What the header of a member token holds: no more, so that nothing in it can name a key or an extension of its own. */
const HEADER = ['alg', 'typ', 'kid'] as const;

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
    // One audience, ours: a list could make the same token good elsewhere too.
    claims['aud'] === MEMBER_TOKEN_AUDIENCE &&
    Number.isInteger(mode) &&
    (mode as number) >= 0 &&
    (mode as number) <= 3 &&
    isStringArray(claims['scopes']) &&
    isStringArray(claims['surfaces'])
  );
}

/** Issued in the future, or for longer than any of our tokens lives: not one of ours. */
function hasPlausibleTimes({ iat, exp }: Record<string, unknown>, now: Date): boolean {
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return false;
  const [from, until] = [iat as number, exp as number];
  return from <= now.getTime() / 1_000 + ISSUED_AHEAD_SECONDS && until > from && until - from <= LONGEST_LIFE_SECONDS;
}

const isMemberHeader = ({ header }: CompactToken): boolean =>
  hasExactly(header, HEADER) && header['alg'] === MEMBER_TOKEN_ALGORITHM && typeof header['kid'] === 'string';

/**
 * True when the token claims to be a member token. Decides who has to judge it, not whether it is good.
 */
export const isMemberTokenShaped = (token: string): boolean => readCompact(token)?.header['typ'] === MEMBER_TOKEN_TYPE;

/** The key a token says it was signed with; meaningful only once the token was verified. */
export function keyIdOf(token: string): string | undefined {
  const kid = readCompact(token)?.header['kid'];
  return typeof kid === 'string' ? kid : undefined;
}

/** Verifies member tokens against a key set; knows nothing of revocation, which is the caller's. */
export function createMemberTokenVerifier(
  issuer: string,
  jwks: { keys: readonly Record<string, unknown>[] },
): MemberTokenVerifier {
  const keys = createLocalJWKSet(jwks as unknown as JSONWebKeySet);
  return {
    async verify(token, now = new Date()) {
      const compact = readCompact(token);
      if (!compact || !isMemberHeader(compact)) throw new TokenInvalid();
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience: MEMBER_TOKEN_AUDIENCE,
          algorithms: [MEMBER_TOKEN_ALGORITHM],
          typ: MEMBER_TOKEN_TYPE,
          clockTolerance: CLOCK_SKEW_SECONDS,
          currentDate: now,
        });
        if (!isMemberClaims(payload) || !hasPlausibleTimes(payload, now)) throw new TokenInvalid();
        return payload as unknown as MemberClaims;
      } catch (cause) {
        if (cause instanceof TokenInvalid) throw cause;
        if (cause instanceof errors.JWTExpired) throw new TokenExpired({ cause });
        throw new TokenInvalid({ cause });
      }
    },
  };
}
