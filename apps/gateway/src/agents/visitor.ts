import type { MemberClaims, TrustMode, TrustProfile } from '#libs/contracts';
import { decide, type Decision, parsePlace, type Place } from '#libs/trust';
import { SurfaceNotAllowed } from '../errors.js';
import type { SessionScope } from '../store/conversations.repository.js';

/** Who is talking, from where, and how far that goes, as a verified token and the agent's profile say together. */
export interface Visitor {
  readonly member: string;
  readonly place: Place;
  /** `trust_mode_max` of the token. */
  readonly tokenMode: number;
  /** Effective mode before any session has a say. */
  readonly trustMode: TrustMode;
  readonly token: string;
}

interface Seen {
  readonly place: Place;
  readonly decision: Decision;
}

/**
 * A token that names several surfaces does not say which one a request comes from: the lowest mode of them counts, and a
 * public one before a private one. Throws SurfaceNotAllowed when any of them is unknown or not the tier's.
 */
export function visitorOf(claims: MemberClaims, profile: TrustProfile): Visitor {
  const seen = claims.surfaces.map((claim): Seen => {
    const place = parsePlace(claim);
    if (!place) throw new SurfaceNotAllowed('surface_not_in_tier');
    const decision = decide({ profile, tokenMode: claims.trust_mode_max, ...place });
    if (!decision.allowed) throw new SurfaceNotAllowed(decision.reason);
    return { place, decision };
  });
  const [lowest] = seen.sort((a, b) => a.decision.mode - b.decision.mode || openness(b.place) - openness(a.place));
  if (!lowest) throw new SurfaceNotAllowed('surface_not_in_tier');
  return {
    member: claims.sub,
    place: lowest.place,
    tokenMode: claims.trust_mode_max,
    trustMode: lowest.decision.mode,
    token: claims.jti,
  };
}

const openness = ({ visibility }: Place): number => (visibility === 'public' ? 1 : 0);

/** Strangers read along. */
const isPublic = ({ place }: Visitor): boolean => openness(place) === 1;

/** A member sees their own sessions, and what began in private is never seen where strangers read along. */
export const scopeOf = (visitor: Visitor): SessionScope => ({ member: visitor.member, open: isPublic(visitor) });

/** Where the conversations of a demo are kept apart: strangers by their token, members by themselves. */
export const demoKey = (visitor: Visitor): string =>
  isPublic(visitor) ? `token/${visitor.token}` : `member/${visitor.member}`;
