import { h, RequestFailed } from '#libs/browser';
import { busy, button, field, form, noteLine, problemLine, valueOf } from '../form.js';
import {
  isDismissed,
  nameOfThisMachine,
  offerPasskeys,
  passkeysWorkHere,
  stopOffering,
  textOfPasskeyError,
  usePasskey,
} from '../passkey.js';
import { getMethods, type Methods, signInWithPassword, startUrl } from '../session-api.js';
import { type GateParts, showCard } from './card.js';
import { showMailCard } from './mail-card.js';

/** The first page: the password at once, the other ways as soon as the server has said which there are. */
export function showSignInCard(parts: GateParts, message: { problem?: string; note?: string } = {}): void {
  const problem = problemLine();
  const note = noteLine();
  const others = h('div', { class: 'others', role: 'group', 'aria-label': 'Other ways to sign in' });
  const passwords = form(
    'Sign in',
    async (element) => parts.done(await withPassword(element)),
    field('email', 'E-mail', { type: 'email', autocomplete: 'username webauthn', maxlength: 254 }),
    field('password', 'Password', { type: 'password', autocomplete: 'current-password', maxlength: 1_024 }),
  );
  showCard('Sign in', problem, note, passwords, others);
  problem.textContent = message.problem ?? '';
  note.textContent = message.note ?? '';
  void fill(parts, others, problem, passwords);
}

async function withPassword(element: HTMLFormElement) {
  const password = element.querySelector<HTMLInputElement>('#password')!;
  stopOffering();
  try {
    return await signInWithPassword(valueOf(element, 'email').trim(), password.value);
  } catch (error) {
    password.select();
    const wrong = error instanceof RequestFailed && (error.status === 401 || error.status === 400);
    throw wrong ? new RequestFailed(error.status, error.code, 'E-mail or password is not right.') : error;
  }
}

/** Without an answer the password is still there. */
async function fill(
  parts: GateParts,
  others: HTMLElement,
  problem: HTMLElement,
  passwords: HTMLFormElement,
): Promise<void> {
  let methods: Methods;
  try {
    methods = await getMethods();
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    return;
  }
  if (!others.isConnected) return;
  others.replaceChildren(...waysOf(methods, parts, others, problem, passwords));
  if (methods.passkeys && passkeysWorkHere()) await offer(parts, others, problem);
}

function waysOf(
  methods: Methods,
  parts: GateParts,
  others: HTMLElement,
  problem: HTMLElement,
  passwords: HTMLFormElement,
): Node[] {
  const email = () => valueOf(passwords, 'email').trim();
  const ways: Node[] = methods.providers.map(({ key, name }) =>
    h('a', { class: 'outline', href: startUrl(key) }, `Continue with ${name}`),
  );
  if (methods.passkeys && passkeysWorkHere())
    ways.unshift(button('Use a passkey', () => void busy(others, problem, () => passkey(parts, problem))));
  if (methods.magicLink.available)
    ways.push(button('E-mail me a sign-in link', () => showMailCard('magic-link', email(), parts)));
  const divider = ways.length > 0 ? [h('p', { class: 'divider' }, 'or')] : [];
  if (methods.passwordReset.available)
    ways.push(button('Forgot your password?', () => showMailCard('password-reset', email(), parts), 'quiet'));
  const elsewhere = methods.passkeys && !passkeysWorkHere() ? nameOfThisMachine() : undefined;
  if (elsewhere) ways.push(h('p', { class: 'hint' }, 'Passkeys work at ', h('a', { href: elsewhere }, elsewhere), '.'));
  return [...divider, ...ways];
}

async function passkey(parts: GateParts, problem: HTMLElement): Promise<void> {
  stopOffering();
  try {
    await parts.done(await usePasskey());
  } catch (error) {
    problem.textContent = textOfPasskeyError(error) ?? '';
  }
}

/** In the list under the e-mail field, where the browser can. Nobody asked for it, so only a chosen passkey may fail aloud. */
async function offer(parts: GateParts, others: HTMLElement, problem: HTMLElement): Promise<void> {
  try {
    const outcome = await offerPasskeys();
    if (outcome && others.isConnected) await parts.done(outcome);
  } catch (error) {
    if (others.isConnected && !isDismissed(error)) problem.textContent = textOfPasskeyError(error) ?? '';
  }
}
