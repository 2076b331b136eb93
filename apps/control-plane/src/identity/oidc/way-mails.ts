import { layOutMail } from '../../mail/mail-layout.js';
import type { MailText } from '../../mail/mail-outbox.js';

/** `what`: the passkey or account, at the beginning of a sentence. */
export const wayAddedMail = (what: string): MailText =>
  layOutMail({
    subject: 'There is a new way to sign in to your account',
    lead: [`${what} signs you in from now on.`],
    tail: [
      'If that was not you, remove it on the Security page of the console, end your other sessions, and tell whoever runs your platform.',
    ],
  });
