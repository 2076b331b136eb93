/** Who a provider says somebody is. */
export interface ProvedIdentity {
  /** The provider's own lasting id of the account; never an address or a name, which can pass to somebody else. */
  readonly subject: string;
  /** Lower case. */
  readonly email: string | null;
  /** The provider is the one to ask about this address, and says that it belongs to the account. */
  readonly emailVerified: boolean;
  readonly name: string | null;
}

/** Claims of an ID token, or of the user information that goes with it. */
export interface IdentityClaims {
  readonly iss: string;
  readonly sub: string;
  readonly [claim: string]: unknown;
}

const GOOGLE = 'https://accounts.google.com';
const MICROSOFT = 'https://login.microsoftonline.com';
const GOOGLE_OWN_DOMAINS = new Set(['gmail.com', 'googlemail.com']);

const text = (value: unknown): string | null =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
/** Some providers write booleans as text. */
const isTrue = (value: unknown): boolean => value === true || value === 'true' || value === '1' || value === 1;

export const domainOf = (email: string): string => email.slice(email.lastIndexOf('@') + 1).toLowerCase();

/** What the claims of an ID token prove, by the rules of whoever issued it. */
export function identityOf(claims: IdentityClaims): ProvedIdentity {
  const email = text(claims['email'])?.toLowerCase() ?? null;
  const emailVerified = email !== null && /^[^\s@]+@[^\s@]+$/.test(email) && vouchesFor(claims, email);
  return { subject: subjectOf(claims), email, emailVerified, name: text(claims['name']) };
}

/**
 * - Microsoft: the address of an account is what its organisation's administrator typed, so any organisation could claim
 *   any address; only `xms_edov` says that the domain's owner was verified.
 * - Google: of addresses outside its own mail and without `hd` (an organisation at Google) it knows only that they were
 *   verified once.
 * - everybody else: `email_verified`.
 */
function vouchesFor(claims: IdentityClaims, email: string): boolean {
  if (new URL(claims.iss).origin === MICROSOFT) return isTrue(claims['xms_edov']);
  if (!isTrue(claims['email_verified'])) return false;
  if (claims.iss !== GOOGLE) return true;
  const domain = domainOf(email);
  return GOOGLE_OWN_DOMAINS.has(domain) || text(claims['hd'])?.toLowerCase() === domain;
}

/** Microsoft's `sub` is one organisation's; with the organisation's id it is one account of all. */
function subjectOf(claims: IdentityClaims): string {
  const tenant = text(claims['tid']);
  return new URL(claims.iss).origin === MICROSOFT && tenant ? `${tenant}/${claims.sub}` : claims.sub;
}
