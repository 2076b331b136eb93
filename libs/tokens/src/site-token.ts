import { errors, jwtVerify } from 'jose';
import { hasExactly, readCompact } from './compact.js';
import { TokenExpired, TokenInvalid } from './errors.js';

/** The only algorithm of a membership site's own tokens. */
export const SITE_TOKEN_ALGORITHM = 'HS256';
/** RFC 7518, 3.2: a key of at least the size of the hash output. */
export const SHORTEST_SITE_SECRET_BYTES = 32;
/** How far a membership site's clock may be ahead of ours, in seconds. Shared hosting keeps poor time. */
export const SITE_CLOCK_SKEW_SECONDS = 60;
/** How far ahead a site token may end, in seconds. */
export const SITE_TOKEN_LIFE_SECONDS = 24 * 3_600;

export interface SiteTokenRules {
  /** Any of them; the current one first. */
  readonly secrets: readonly Uint8Array[];
  /** Expected `iss` and `aud`; null: not checked. */
  readonly issuer: string | null;
  readonly audience: string | null;
}

/** What a membership site says about one of its members. */
export interface SiteClaims {
  /** The member's externalId. */
  readonly externalId: string;
  /**
   * Seconds. A token that does not say when it was issued counts as issued as early as it can have been: a revocation
   * since then covers it.
   */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** What the token asks for at most; undefined: nothing said. */
  readonly trustMode: number | undefined;
}

/** True when the token claims to be a site's: HS256 with a plain header. Decides who has to judge it, not whether it is good. */
export function isSiteTokenShaped(token: string): boolean {
  const header = readCompact(token)?.header;
  if (header?.['alg'] !== SITE_TOKEN_ALGORITHM) return false;
  if (hasExactly(header, ['alg'])) return true;
  return hasExactly(header, ['alg', 'typ']) && typeof header['typ'] === 'string' && /^JWT$/i.test(header['typ']);
}

/** Rejects with TokenExpired or TokenInvalid. */
export async function verifySiteToken(token: string, rules: SiteTokenRules, now: Date): Promise<SiteClaims> {
  if (!isSiteTokenShaped(token)) throw new TokenInvalid();
  const payload = await verifyWithAny(token, rules, now);
  return claimsOf(payload, now);
}

async function verifyWithAny(token: string, rules: SiteTokenRules, now: Date): Promise<Record<string, unknown>> {
  let last: unknown;
  for (const secret of rules.secrets) {
    if (secret.length < SHORTEST_SITE_SECRET_BYTES) continue;
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: [SITE_TOKEN_ALGORITHM],
        requiredClaims: ['exp'],
        clockTolerance: SITE_CLOCK_SKEW_SECONDS,
        currentDate: now,
        ...(rules.issuer === null ? {} : { issuer: rules.issuer }),
        ...(rules.audience === null ? {} : { audience: rules.audience }),
      });
      return payload;
    } catch (cause) {
      last = cause;
      // Only a signature that does not fit may fit another secret.
      if (!(cause instanceof errors.JWSSignatureVerificationFailed)) break;
    }
  }
  if (last instanceof errors.JWTExpired) throw new TokenExpired({ cause: last });
  throw new TokenInvalid({ cause: last });
}

function claimsOf(payload: Record<string, unknown>, now: Date): SiteClaims {
  const at = now.getTime() / 1_000;
  const { exp, iat } = payload;
  if (!isTime(exp) || !(iat === undefined || isTime(iat))) throw new TokenInvalid();
  // The skew is for clocks that run ahead; the end is the end.
  if (exp <= at) throw new TokenExpired();
  if (exp > at + SITE_TOKEN_LIFE_SECONDS + SITE_CLOCK_SKEW_SECONDS) throw new TokenInvalid();
  if (iat !== undefined && (iat > at + SITE_CLOCK_SKEW_SECONDS || iat >= exp)) throw new TokenInvalid();
  const externalId = externalIdOf(payload);
  const trustMode = payload['trust_mode'];
  if (trustMode !== undefined && !(Number.isInteger(trustMode) && (trustMode as number) >= 0)) throw new TokenInvalid();
  return {
    externalId,
    issuedAt: Math.floor(iat ?? exp - SITE_TOKEN_LIFE_SECONDS),
    expiresAt: Math.floor(exp),
    trustMode: trustMode as number | undefined,
  };
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0;

/** `user_id` (a text or, as WordPress has it, a number), else `sub`; when both are there they must agree. */
function externalIdOf(payload: Record<string, unknown>): string {
  const named = ['user_id', 'sub'].map((name) => payload[name]).filter((value) => value !== undefined);
  const ids = named.map((value) => (Number.isSafeInteger(value) ? String(value) : value));
  const [first] = ids;
  if (typeof first !== 'string' || first === '' || first.length > 128) throw new TokenInvalid();
  if (ids.some((id) => id !== first)) throw new TokenInvalid();
  return first;
}
