import { h } from '#libs/browser';
import { button, field, form, valueOf } from '../form.js';
import { beginTotp, confirmTotp, getTotp, renewRecoveryCodes, type TotpSetup, turnTotpOff } from '../session-api.js';
import { confirmed } from './dialog.js';
import { withProof } from './proof.js';
import { qrCode } from './qr-code.js';
import { Section } from './section.js';

const LEAD =
  'A code from an app, asked for after your password, a mailed link or a linked account. A passkey needs none.';

export const totpSection = (): Section => new Section('totp', 'Second factor', LEAD, content);

async function content(section: Section): Promise<Node[]> {
  const { status, recoveryCodesLeft } = await getTotp();
  if (status !== 'on') return [button('Set up an authenticator app', () => void begin(section))];
  const left = `On. ${recoveryCodesLeft} recovery ${recoveryCodesLeft === 1 ? 'code' : 'codes'} left.`;
  const renew = async (): Promise<void> => {
    const codes = await withProof(renewRecoveryCodes);
    showRecoveryCodes(section, codes.recoveryCodes);
  };
  const off = async (): Promise<void> => {
    const text = 'Your password, a mailed link or a linked account alone will sign you in.';
    if (await confirmed('Turn the second factor off?', text, 'Turn off'))
      await section.run(() => withProof(turnTotpOff), 'The second factor is off.');
  };
  return [
    h('p', { class: 'tag', 'data-tone': 'good' }, left),
    h(
      'div',
      { class: 'actions' },
      button('New recovery codes', () => void section.stay(renew)),
      button('Turn off', () => void off(), 'quiet'),
    ),
  ];
}

const begin = (section: Section): Promise<void> =>
  section.stay(async () => showSetup(section, await withProof(beginTotp)));

function showSetup(section: Section, { secret, url, qrSvg }: TotpSetup): void {
  const confirm = async (element: HTMLFormElement): Promise<void> => {
    const { recoveryCodes } = await confirmTotp(valueOf(element, 'totp-code').trim());
    showRecoveryCodes(section, recoveryCodes);
  };
  const code = { autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 10 };
  section.show(
    h(
      'ol',
      { class: 'steps-down' },
      h(
        'li',
        {},
        h('p', {}, 'Scan this with your authenticator app, or ', h('a', { href: url }, 'open it on this device'), '.'),
        qrCode(qrSvg, 'QR code for your authenticator app'),
        h('p', { class: 'sub' }, 'By hand: ', h('code', {}, secret.replaceAll(/(.{4})(?=.)/g, '$1 '))),
      ),
      h('li', {}, form('Turn it on', confirm, field('totp-code', 'The code that the app shows now', code))),
    ),
    button('Cancel', () => void section.refresh(), 'quiet'),
  );
}

/** Shown this once; whoever leaves the page without them makes new ones. */
function showRecoveryCodes(section: Section, codes: readonly string[]): void {
  const copied = h('span', { class: 'sub', role: 'status' });
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(codes.join('\n'));
    copied.textContent = 'Copied.';
  };
  const copyButton = window.isSecureContext ? [button('Copy', () => void section.stay(copy)), copied] : [];
  section.show(
    h(
      'p',
      {},
      'Keep these recovery codes where you will find them without your phone. Each works once; they are shown only now.',
    ),
    h(
      'ul',
      { class: 'codes', 'aria-label': 'Recovery codes' },
      ...codes.map((code) => h('li', {}, h('code', {}, code))),
    ),
    h(
      'div',
      { class: 'actions' },
      ...copyButton,
      button('I have kept them', () => void section.refresh(), 'primary'),
    ),
  );
}
