import { h } from '#libs/browser';
import { button, field, form, valueOf } from '../form.js';
import { stopOffering } from '../passkey.js';
import { askMagicLink, askPasswordReset } from '../session-api.js';
import { type GateParts, paragraph, showCard } from './card.js';

const KINDS = {
  'magic-link': {
    title: 'Sign in by e-mail',
    lead: 'We send you a link that signs you in. It works once and for 15 minutes.',
    ask: askMagicLink,
  },
  'password-reset': {
    title: 'Choose a new password',
    lead: 'We send you a link to choose a new password. It works once and for 30 minutes.',
    ask: askPasswordReset,
  },
} as const;

export function showMailCard(kind: keyof typeof KINDS, email: string, parts: GateParts): void {
  const { title, lead, ask } = KINDS[kind];
  stopOffering();
  const request = async (element: HTMLFormElement): Promise<void> => {
    const address = valueOf(element, 'email').trim();
    await ask(address);
    showSent(address, parts);
  };
  showCard(
    title,
    paragraph(lead),
    form(
      'Send the link',
      request,
      field('email', 'E-mail', { type: 'email', autocomplete: 'username', maxlength: 254, value: email }),
    ),
    button('Back to sign-in', () => parts.restart(), 'quiet'),
  );
}

/** The same whether or not somebody has the address. */
function showSent(email: string, parts: GateParts): void {
  showCard(
    'Look at your mail',
    h('p', { class: 'lead', role: 'status' }, 'If ', h('strong', {}, email), ' has an account, a link is on its way.'),
    button('Back to sign-in', () => parts.restart(), 'quiet'),
  );
}
