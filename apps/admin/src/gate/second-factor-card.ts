import { RequestFailed } from '#libs/browser';
import { button, field, form, valueOf } from '../form.js';
import { sendCode } from '../session-api.js';
import { type GateParts, paragraph, showCard } from './card.js';

const APP = {
  lead: 'Enter the code that your authenticator app shows.',
  label: 'Code',
  input: { autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 10 },
  other: 'Use a recovery code instead',
} as const;
const RECOVERY = {
  lead: 'Enter one of the recovery codes you kept. Each works once.',
  label: 'Recovery code',
  input: { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', maxlength: 40 },
  other: 'Use your authenticator app instead',
} as const;

export function showSecondFactorCard(parts: GateParts, way: typeof APP | typeof RECOVERY = APP): void {
  showCard(
    'One more step',
    paragraph(way.lead),
    form('Continue', async (element) => parts.done(await codeOf(element, parts)), field('code', way.label, way.input)),
    button(way.other, () => showSecondFactorCard(parts, way === APP ? RECOVERY : APP), 'quiet'),
    button('Back to sign-in', () => parts.restart(), 'quiet'),
  );
}

async function codeOf(element: HTMLFormElement, parts: GateParts) {
  try {
    return await sendCode(valueOf(element, 'code').trim());
  } catch (error) {
    element.querySelector('input')?.select();
    if (error instanceof RequestFailed && error.code === 'second-factor-expired')
      parts.restart({ problem: 'That took too long, or too many codes were wrong. Please sign in again.' });
    throw error;
  }
}
