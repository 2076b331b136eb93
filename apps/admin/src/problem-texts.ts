import { RequestFailed } from '#libs/browser';

/** What went wrong on the way back from somewhere else, where only a code arrives. */
const TEXTS: Readonly<Record<string, string>> = {
  'account-disabled': 'This account is disabled. Ask an operator to enable it.',
  'account-unknown': 'Nobody with this account may sign in here. Ask to be invited.',
  'email-unverified':
    'The provider does not vouch for your e-mail address. Verify it there, or sign in another way and link the account on the Security page.',
  'identity-provider-not-found': 'This way to sign in is not offered any more. Choose another one.',
  'identity-provider-unreachable': 'The provider does not answer. Try again in a moment or sign in another way.',
  'identity-taken': 'This account signs in another user already. Remove it there first.',
  'link-invalid': 'This link was used, replaced by a newer one, or has expired. Ask for a new one.',
  'link-required':
    'There is a user with this e-mail address already. Sign in the way you did so far, then link the account on the Security page.',
  'provider-answer-refused': 'The provider’s answer could not be verified. Start again.',
  'session-required': 'Your sign-in has ended. Please sign in again.',
  'sign-in-cancelled': 'You cancelled at the provider. Start again when you are ready.',
  'sign-in-expired': 'This sign-in took too long or was begun in another browser. Start again.',
  'too-many-attempts': 'Too many attempts from here. Wait a few minutes and try again.',
};

export const textOfCode = (code: string): string => TEXTS[code] ?? 'Signing in did not work. Start again.';

/** Fit for a reader; anything that is not an answer of the server is a fault of this page and goes on. */
export function textOf(error: unknown): string {
  if (!(error instanceof RequestFailed)) throw error;
  if (error.code === 'too-many-attempts' && error.retryAfter !== undefined)
    return `Too many attempts. Try again ${inWords(error.retryAfter)}.`;
  return error.message;
}

function inWords(seconds: number): string {
  return new Intl.RelativeTimeFormat(undefined, { numeric: 'always' }).format(Math.ceil(seconds / 60), 'minute');
}
