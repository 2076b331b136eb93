import { button, field, form, valueOf } from '../form.js';
import { acceptInvitation, resetPassword, useMagicLink } from '../session-api.js';
import { type GateParts, paragraph, showCard } from './card.js';

const NEW_PASSWORD = { type: 'password', autocomplete: 'new-password', minlength: 12, maxlength: 256 } as const;
const LENGTH = 'At least 12 characters. A few unrelated words are fine.';

/** Mail programs open links by themselves to look at them: the token is used when somebody presses the button. */
export function showMagicCard(token: string, parts: GateParts): void {
  showCard(
    'Welcome back',
    paragraph('Your link is ready. It signs you in on this device.'),
    form('Sign in', async () => parts.done(await useMagicLink(token))),
    button('Sign in another way', () => parts.restart(), 'quiet'),
  );
}

export function showResetCard(token: string, parts: GateParts): void {
  const reset = async (element: HTMLFormElement): Promise<void> => {
    await resetPassword(token, valueOf(element, 'new-password'));
    parts.restart({ note: 'Your password was changed and every session was ended. Sign in with the new one.' });
  };
  showCard(
    'Choose a new password',
    form('Save the password', reset, field('new-password', 'New password', NEW_PASSWORD, LENGTH)),
    button('Back to sign-in', () => parts.restart(), 'quiet'),
  );
}

export function showInvitationCard(token: string, parts: GateParts): void {
  const accept = async (element: HTMLFormElement): Promise<void> => {
    const [name, password] = [valueOf(element, 'name').trim(), valueOf(element, 'new-password')];
    await parts.done(await acceptInvitation(token, { ...(name && { name }), ...(password && { password }) }));
  };
  showCard(
    'You are invited',
    paragraph(
      'Accept to be signed in. A password is one way to come back; links by mail, passkeys and linked accounts are others.',
    ),
    form(
      'Accept the invitation',
      accept,
      field('name', 'Your name (optional)', { autocomplete: 'name', maxlength: 120, required: false }),
      field('new-password', 'Password (optional)', { ...NEW_PASSWORD, required: false }, LENGTH),
    ),
  );
}
