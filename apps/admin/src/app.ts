import { byId, h, icon, RequestFailed } from '#libs/browser';
import { SIGNED_OUT } from './form.js';
import { clearFragment, type Fragment, parseFragment } from './fragment.js';
import { Gate } from './gate/gate.js';
import { OverviewPage } from './overview-page.js';
import { textOfCode } from './problem-texts.js';
import { showSecurityPage } from './security/security-page.js';
import { getSession, type Session, signOut } from './session-api.js';

/** A link that somebody opened means a sign-in of its own, whoever is signed in already. */
const OF_THE_GATE = new Set<Fragment['kind']>(['magic', 'password-reset', 'invitation', 'second-factor']);

export class App {
  #session: Session | null = null;
  readonly #gate = new Gate(async () => this.#enter(await getSession()));
  readonly #overview = new OverviewPage((error) => this.#overviewFailed(error));

  async start(): Promise<void> {
    byId('sign-out').replaceChildren(icon('leave'), 'Sign out');
    byId('sign-out').addEventListener('click', () => void this.#leave());
    addEventListener('hashchange', () => this.#open(parseFragment(location.hash)));
    SIGNED_OUT.addEventListener('end', () => this.#ended());
    const fragment = parseFragment(location.hash);
    if (OF_THE_GATE.has(fragment.kind)) return this.#gate.open(fragment);
    try {
      this.#enter(await getSession(), fragment);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (error.status === 401) this.#gate.open(fragment);
      else this.#unreachable(error.message);
    }
  }

  #enter(session: Session, fragment: Fragment = parseFragment(location.hash)): void {
    this.#session = session;
    this.#gate.close();
    byId('loading').hidden = true;
    byId('shell').hidden = false;
    byId('skip').hidden = false;
    byId('who').textContent = session.user.email;
    byId('to-overview').hidden = !session.isOperator;
    byId('live').hidden = !session.isOperator;
    if (session.isOperator) this.#overview.start();
    this.#open(fragment);
  }

  #open(fragment: Fragment): void {
    if (OF_THE_GATE.has(fragment.kind)) {
      this.#shut();
      return this.#gate.open(fragment);
    }
    if (!this.#session) return;
    const isSecurity = fragment.kind !== 'overview' || !this.#session.isOperator;
    byId('overview').hidden = isSecurity;
    byId('security').hidden = !isSecurity;
    this.#mark('to-overview', !isSecurity);
    this.#mark('to-security', isSecurity);
    document.title = isSecurity ? 'Security · Wirebot' : 'Wirebot operations';
    if (!isSecurity) return;
    const code = fragment.kind === 'error' ? fragment.code : undefined;
    if (code) clearFragment();
    void showSecurityPage(this.#session, code ? { code, text: textOfCode(code) } : {});
  }

  #mark(id: string, current: boolean): void {
    if (current) byId(id).setAttribute('aria-current', 'page');
    else byId(id).removeAttribute('aria-current');
  }

  async #leave(): Promise<void> {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (error.status !== 401) return void (byId('problem').textContent = error.message);
    }
    this.#shut();
    clearFragment();
    this.#gate.restart();
  }

  #ended(): void {
    if (!this.#session) return;
    this.#shut();
    this.#gate.restart({ problem: 'Your sign-in has ended. Please sign in again.' });
  }

  /** Leaves nothing of what was shown behind. */
  #shut(): void {
    this.#session = null;
    this.#overview.stop();
    byId('security').replaceChildren();
    byId('shell').hidden = true;
    byId('skip').hidden = true;
    for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  }

  #overviewFailed(error: RequestFailed): void {
    if (error.status === 401) return this.#ended();
    if (error.code !== 'second-factor-required') return void (byId('problem').textContent = error.message);
    byId('problem').replaceChildren(
      'Operators use a second factor here. ',
      h('a', { href: '#security' }, 'Set one up or add a passkey'),
      ', then sign in again.',
    );
  }

  #unreachable(message: string): void {
    const retry = h('button', { type: 'button', class: 'outline', onclick: () => location.reload() }, 'Try again');
    byId('loading').replaceChildren(h('p', { class: 'problem', role: 'alert' }, message), retry);
  }
}
