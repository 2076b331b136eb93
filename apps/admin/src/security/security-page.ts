import { byId, h } from '#libs/browser';
import type { Session } from '../session-api.js';
import { identitiesSection, resumeLink } from './identities-section.js';
import { passkeysSection } from './passkeys-section.js';
import { passwordSection } from './password-section.js';
import { sessionsSection } from './sessions-section.js';
import { totpSection } from './totp-section.js';

/** The user's own account: how they sign in, and where they are signed in. */
export async function showSecurityPage(
  session: Session,
  message: { readonly code?: string; readonly text?: string },
): Promise<void> {
  const sections = [passkeysSection(), totpSection(), identitiesSection(), passwordSection(), sessionsSection()];
  const wantsProof = message.code === 'recent-proof-required';
  byId('security').replaceChildren(
    h('h1', {}, 'Security'),
    h('p', { class: 'lead' }, introduction(session)),
    h('p', { class: 'problem', role: 'alert' }, wantsProof ? '' : (message.text ?? '')),
    ...sections.map((section) => section.element),
  );
  await Promise.all(sections.map((section) => section.refresh()));
  if (wantsProof) await resumeLink();
}

function introduction({ user, isOperator, tenants }: Session): string {
  if (isOperator) return `How ${user.email} signs in.`;
  const roles = tenants.map(({ name, role }) => `${name} (${role})`).join(', ');
  return roles
    ? `How ${user.email} signs in. You work for ${roles}; the overview is for operators.`
    : `How ${user.email} signs in. You work for no business yet: ask an owner to add you.`;
}
