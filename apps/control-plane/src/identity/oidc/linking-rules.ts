import { AccountUnknown, EmailUnverified, LinkRequired } from './oidc.errors.js';
import { domainOf, type ProvedIdentity } from './proved-identity.js';

/** The user who has the e-mail address of an account that nobody has signed in with yet. */
export interface UserOfAddress {
  /** The address was proved here, by a mail that was answered or by a trusted provider. */
  readonly emailVerified: boolean;
}

/**
 * What becomes of an account that is linked to nobody. It signs in the user of its address, or becomes a user, only when
 * three parties agree on the address: the provider vouches for it, an operator trusts this provider with its domain, and
 * the user's own address was proved here. Anything less could be an account that somebody made in another's name, there
 * or here, before its owner came.
 */
export function decide(
  identity: Pick<ProvedIdentity, 'email' | 'emailVerified'>,
  allowedDomains: readonly string[],
  user: UserOfAddress | undefined,
): 'link' | 'create' {
  // The same whether or not there is such a user: an address that was not proved must not find out.
  if (identity.email === null || !identity.emailVerified) throw new EmailUnverified();
  const trusted = allowedDomains.includes(domainOf(identity.email));
  if (!user) {
    if (!trusted) throw new AccountUnknown();
    return 'create';
  }
  if (!trusted || !user.emailVerified) throw new LinkRequired();
  return 'link';
}
