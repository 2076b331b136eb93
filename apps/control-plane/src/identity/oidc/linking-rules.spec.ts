import { describe, expect, it } from 'vitest';
import { decide } from './linking-rules.js';

const outcome = (...input: Parameters<typeof decide>): string => {
  try {
    return decide(...input);
  } catch (error) {
    return (error as { code: string }).code;
  }
};
const proved = { email: 'mia@acme.test', emailVerified: true };
const known = { emailVerified: true };

describe('an account that is linked to nobody', () => {
  it.each([
    ['creates a user of a trusted domain', proved, ['acme.test'], undefined, 'create'],
    ['signs in the user of its address when the domain is trusted', proved, ['acme.test'], known, 'link'],
    ['is nobody where no domain is trusted', proved, [], undefined, 'account-unknown'],
    ['takes no user over where no domain is trusted', proved, [], known, 'link-required'],
    ['takes no user over from another domain', proved, ['other.test'], known, 'link-required'],
    ['is not of a trusted domain because it ends like one', proved, ['me.test', 'test'], known, 'link-required'],
    [
      'takes no user over whose address was never proved',
      proved,
      ['acme.test'],
      { emailVerified: false },
      'link-required',
    ],
    [
      'without a verified address is refused',
      { ...proved, emailVerified: false },
      ['acme.test'],
      known,
      'email-unverified',
    ],
    [
      'without an address is refused',
      { email: null, emailVerified: false },
      ['acme.test'],
      undefined,
      'email-unverified',
    ],
  ] as const)('%s', (_, identity, domains, user, expected) => expect(outcome(identity, domains, user)).toBe(expected));

  it('does not find out about users by an address it did not prove', () => {
    const unproved = { ...proved, emailVerified: false };
    expect(outcome(unproved, [], known)).toBe(outcome(unproved, [], undefined));
  });
});
