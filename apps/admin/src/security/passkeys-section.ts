import { h } from '#libs/browser';
import { button, valueOf } from '../form.js';
import { makePasskey, nameOfThisMachine, passkeysWorkHere, textOfPasskeyError } from '../passkey.js';
import { listPasskeys, type PasskeyRow, removePasskey, renamePasskey } from '../session-api.js';
import { confirmed } from './dialog.js';
import { withProof } from './proof.js';
import { list, row, Section, time } from './section.js';

const LEAD =
  'Sign in with your fingerprint, face or screen lock. Nothing can be guessed, and nothing can be typed into a fake page.';

export const passkeysSection = (): Section => new Section('passkeys', 'Passkeys', LEAD, content);

async function content(section: Section): Promise<Node[]> {
  const rows = (await listPasskeys()).map((passkey) => passkeyRow(section, passkey));
  return [list('Passkeys', rows, 'You have no passkey yet.'), adding(section)];
}

function adding(section: Section): Node {
  if (passkeysWorkHere()) return button('Add a passkey', () => void add(section), 'primary');
  const elsewhere = nameOfThisMachine();
  const reason = 'Passkeys need a page with a host name over https.';
  return elsewhere
    ? h('p', { class: 'hint' }, 'To add one, open ', h('a', { href: `${elsewhere}#security` }, elsewhere), '.')
    : h('p', { class: 'hint' }, reason);
}

async function add(section: Section): Promise<void> {
  let trouble: string | undefined;
  await section.run(async () => {
    try {
      await withProof(makePasskey);
    } catch (error) {
      trouble = textOfPasskeyError(error);
    }
  });
  if (trouble) section.say(trouble);
}

function passkeyRow(section: Section, passkey: PasskeyRow): HTMLElement {
  const { id, name, synced, createdAt, lastUsedAt } = passkey;
  const used = lastUsedAt ? [', last used ', time(lastUsedAt)] : [', never used'];
  const about = [synced ? 'Synced between your devices, ' : 'On one device, ', 'added ', time(createdAt), ...used];
  const remove = async (): Promise<void> => {
    if (!(await confirmed('Remove this passkey?', `“${name}” will not sign you in any more.`, 'Remove'))) return;
    await section.run(() => withProof(() => removePasskey(id)), 'The passkey was removed.');
  };
  const element = row(
    h('strong', {}, name),
    about,
    named(
      button('Rename', () => element.replaceWith(renaming(section, passkey)), 'quiet'),
      `Rename ${name}`,
    ),
    named(
      button('Remove', () => void remove(), 'quiet'),
      `Remove ${name}`,
    ),
  );
  return element;
}

function renaming(section: Section, { id, name }: PasskeyRow): HTMLElement {
  const save = (event: Event): void => {
    event.preventDefault();
    const wanted = valueOf(element, 'passkey-name').trim();
    void section.run(async () => void (await renamePasskey(id, wanted)));
  };
  const input = h('input', { id: 'passkey-name', name: 'passkey-name', value: name, maxlength: 60, required: true });
  const element = h(
    'form',
    { class: 'inline', onsubmit: save },
    h('label', { class: 'unseen', for: 'passkey-name' }, 'Name of the passkey'),
    input,
    h('button', { type: 'submit', class: 'primary' }, 'Save'),
    button('Cancel', () => void section.refresh(), 'quiet'),
  );
  queueMicrotask(() => input.select());
  return h('li', {}, element);
}

function named(element: HTMLElement, name: string): HTMLElement {
  element.setAttribute('aria-label', name);
  return element;
}
