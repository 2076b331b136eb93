import { layOutMail } from '../../mail/mail-layout.js';
import type { MailText } from '../../mail/mail-outbox.js';

/** The console's page with a token in the fragment, which browsers send to no server and put into no Referer. */
export const consoleLink = (url: string, kind: string, token: string): string => `${url}/admin/#${kind}=${token}`;

const NOT_ASKED = 'If you did not ask for this, you need not do anything: nobody can sign in without this mail.';

export const magicLinkMail = (url: string): MailText =>
  layOutMail({
    subject: 'Your sign-in link',
    lead: ['Use this link to sign in. It works once and for 15 minutes, in any browser.'],
    action: { label: 'Sign in', url },
    tail: [NOT_ASKED, 'Never pass the link on: whoever opens it is signed in as you.'],
  });

export const passwordResetMail = (url: string): MailText =>
  layOutMail({
    subject: 'Choose a new password',
    lead: ['Use this link to choose a new password. It works once and for 30 minutes.'],
    action: { label: 'Choose a new password', url },
    tail: ['If you did not ask for this, you need not do anything: your password stays as it is.'],
  });

export const passwordChangedMail = (): MailText =>
  layOutMail({
    subject: 'Your password was changed',
    lead: ['The password of your account was changed just now, and other sessions were ended.'],
    tail: ['If that was not you, choose a new password at once and tell whoever runs your platform.'],
  });

export const codesChangedMail = (on: boolean): MailText =>
  layOutMail({
    subject: `Sign-in codes were turned ${on ? 'on' : 'off'}`,
    lead: [
      on
        ? 'An authenticator app was set up for your account: signing in asks for a code of it from now on.'
        : 'The authenticator app of your account was removed: signing in asks for no code any more.',
    ],
    tail: ['If that was not you, choose a new password at once and tell whoever runs your platform.'],
  });

export const invitationMail = (url: string, where: string): MailText =>
  layOutMail({
    subject: `You are invited to ${where}`,
    lead: [`You were given an account for ${where}. Use this link to accept and to choose how you sign in.`],
    action: { label: 'Accept the invitation', url },
    tail: ['It works once and for 7 days.', 'If you do not know what this is about, ignore this mail.'],
  });
