import { byId, h, icon, replaceChanged } from '#libs/browser';
import type { SessionSummary } from './api.js';

/** The list of conversations: a column beside the page, or a drawer over it where there is no room. */
export class Sidebar {
  readonly #side = byId('side');
  readonly #opener = byId<HTMLButtonElement>('open-side');

  constructor(onSignOut: () => void) {
    byId('new').replaceChildren(icon('plus'), 'New conversation');
    byId('new-narrow').replaceChildren(icon('plus'));
    byId('close-side').replaceChildren(icon('close'));
    byId('sign-out').replaceChildren(icon('leave'), 'Sign out');
    this.#opener.replaceChildren(icon('menu'));
    this.#opener.addEventListener('click', () => this.#toggle(true));
    byId('close-side').addEventListener('click', () => this.#toggle(false));
    byId('scrim').addEventListener('click', () => this.#toggle(false));
    byId('sign-out').addEventListener('click', onSignOut);
    this.#side.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#isOpen) this.#toggle(false);
    });
    this.#side.addEventListener('click', (event) => {
      if ((event.target as Element).closest('a')) this.close();
    });
  }

  show(memberName: string): void {
    byId('member').textContent = memberName;
  }

  /** Closes the drawer without touching the focus: the caller decides where it goes. */
  close(): void {
    if (this.#isOpen) this.#set(false);
  }

  render(sessions: readonly SessionSummary[], current: string | null, now: Date): void {
    if (sessions.length === 0) {
      return replaceChanged(byId('sessions'), h('p', { class: 'empty' }, 'Your conversations will be listed here.'));
    }
    const groups = Map.groupBy(sessions, (session) => dayName(new Date(session.updatedAt), now));
    const parts = [...groups].flatMap(([day, list]) => [
      h('h2', {}, day),
      h('ul', {}, ...list.map((s) => item(s, current))),
    ]);
    replaceChanged(byId('sessions'), ...parts);
  }

  get #isOpen(): boolean {
    return this.#side.hasAttribute('data-open');
  }

  #toggle(open: boolean): void {
    this.#set(open);
    (open ? byId('close-side') : this.#opener).focus();
  }

  #set(open: boolean): void {
    this.#side.toggleAttribute('data-open', open);
    this.#opener.setAttribute('aria-expanded', String(open));
    byId('scrim').hidden = !open;
    byId('stage').inert = open;
  }
}

const item = (session: SessionSummary, current: string | null): HTMLElement =>
  h(
    'li',
    {},
    h(
      'a',
      {
        href: `#c=${encodeURIComponent(session.session)}`,
        'aria-current': session.session === current ? 'page' : null,
      },
      session.title || 'Untitled conversation',
    ),
  );

const DAY = 86_400_000;

/** The day as a reader would name it. */
export function dayName(then: Date, now: Date): string {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(then)) / DAY);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return 'This week';
  return then.toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
}
