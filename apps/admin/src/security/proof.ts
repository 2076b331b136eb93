import { h, RequestFailed } from '#libs/browser';
import { busy, button, field, form, problemLine, valueOf } from '../form.js';
import { passkeysWorkHere, provePasskey, textOfPasskeyError } from '../passkey.js';
import { getTotp, listPasskeys, prove } from '../session-api.js';
import { ask } from './dialog.js';

/** Runs a change; when the server wants to know first that it is still the same person, asks and runs it again. */
export async function withProof<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof RequestFailed) || error.code !== 'recent-proof-required') throw error;
  }
  if (!(await askForProof())) throw new RequestFailed(0, 'proof-declined', '');
  return run();
}

export async function askForProof(): Promise<boolean> {
  const [totp, passkeys] = await Promise.all([getTotp(), listPasskeys()]);
  const hasPasskey = passkeys.length > 0 && passkeysWorkHere();
  const answer = await ask<boolean>('Confirm that it is you', (close) => [
    h('p', { class: 'lead' }, 'This change needs a recent proof of who you are.'),
    totp.status === 'on' ? codeForm(() => close(true)) : passwordForm(() => close(true)),
    ...(hasPasskey ? [passkeyButton(() => close(true))] : []),
    h('p', { class: 'hint' }, 'Nothing at hand? Signing out and in again proves it too.'),
    button('Cancel', () => close(false), 'quiet'),
  ]);
  return answer === true;
}

const passwordForm = (done: () => void): HTMLElement =>
  form(
    'Confirm',
    async (element) => {
      await prove({ password: valueOf(element, 'proof-password') });
      done();
    },
    field('proof-password', 'Your password', { type: 'password', autocomplete: 'current-password', maxlength: 1_024 }),
  );

const codeForm = (done: () => void): HTMLElement =>
  form(
    'Confirm',
    async (element) => {
      await prove({ code: valueOf(element, 'proof-code').trim() });
      done();
    },
    field('proof-code', 'Code of your authenticator app, or a recovery code', {
      autocomplete: 'one-time-code',
      maxlength: 40,
    }),
  );

function passkeyButton(done: () => void): HTMLElement {
  const problem = problemLine();
  const part = h('div', {}, problem);
  const attempt = async (): Promise<void> => {
    try {
      await provePasskey();
      done();
    } catch (error) {
      problem.textContent = textOfPasskeyError(error) ?? '';
    }
  };
  part.append(button('Use a passkey', () => void busy(part, problem, attempt)));
  return part;
}
