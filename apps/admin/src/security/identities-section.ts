import { h } from '#libs/browser';
import { button } from '../form.js';
import {
  getMethods,
  type IdentityRow,
  linkUrl,
  listIdentities,
  type Provider,
  unlinkIdentity,
} from '../session-api.js';
import { confirmed } from './dialog.js';
import { askForProof, withProof } from './proof.js';
import { list, row, Section, time } from './section.js';

const LEAD = 'Accounts elsewhere that sign you in here.';
/** Which link was asked for when the server wanted a proof first; the way to a provider is a page of its own. */
const PENDING = 'wirebot.link';

export const identitiesSection = (): Section => new Section('identities', 'Linked accounts', LEAD, content);

/** After the server sent the browser back for a proof: asks for it and goes on to the provider. */
export async function resumeLink(): Promise<void> {
  const key = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  if (key && (await askForProof())) link(key);
}

function link(key: string): void {
  sessionStorage.setItem(PENDING, key);
  location.assign(linkUrl(key));
}

async function content(section: Section): Promise<Node[]> {
  const [identities, { providers }] = await Promise.all([listIdentities(), getMethods()]);
  const rows = identities.map((identity) => identityRow(section, identity));
  const open = providers.filter(({ key }) => !identities.some(({ provider }) => provider.key === key));
  const empty =
    providers.length === 0 ? 'This installation offers no identity provider.' : 'You have linked no account yet.';
  return [list('Linked accounts', rows, empty), h('div', { class: 'actions' }, ...open.map(linkButton))];
}

const linkButton = ({ key, name }: Provider): HTMLElement => button(`Link ${name}`, () => link(key));

function identityRow(section: Section, { id, provider, email, createdAt }: IdentityRow): HTMLElement {
  const remove = async (): Promise<void> => {
    const text = `${provider.name} will not sign you in here any more. The account itself stays.`;
    if (!(await confirmed('Unlink this account?', text, 'Unlink'))) return;
    await section.run(() => withProof(() => unlinkIdentity(id)), 'The account was unlinked.');
  };
  const unlink = button('Unlink', () => void remove(), 'quiet');
  unlink.setAttribute('aria-label', `Unlink ${provider.name}`);
  const off = provider.enabled ? [] : ['switched off by an operator, '];
  return row(h('strong', {}, provider.name), [email ? `${email}, ` : '', ...off, 'linked ', time(createdAt)], unlink);
}
