import { byId, RequestFailed } from '#libs/browser';
import { exchangeCode, getBrand, getMe, listSessions, signOut, type SessionSummary, type SignedIn } from './api.js';
import { applyBrand, completeBrand, PLAIN_BRAND } from './brand.js';
import { Composer } from './composer.js';
import { hideGate, showGate } from './gate.js';
import { Room } from './room.js';
import { Sidebar } from './sidebar.js';
import { StatusView } from './status-view.js';
import { Transcript } from './transcript.js';

/** Signing in, choosing a conversation, signing out. The address's fragment names the conversation: `#c=<session>`. */
export class App {
  readonly #transcript = new Transcript({
    onStarter: (text) => this.#room?.ask(text),
    onRetry: (exchange) => this.#room?.retry(exchange),
  });
  readonly #composer = new Composer(
    (text) => this.#room?.ask(text),
    () => this.#room?.stopAnswer(),
  );
  readonly #status = new StatusView(() => this.#room?.retryConnection());
  readonly #sidebar = new Sidebar(() => void this.#leave());
  #room: Room | null = null;
  #sessions: readonly SessionSummary[] = [];
  #brand = PLAIN_BRAND;
  #branded: Promise<void> = Promise.resolve();

  async start(): Promise<void> {
    window.addEventListener('hashchange', () => void this.#onAddress());
    window.addEventListener('offline', () => this.#room?.wentOffline());
    window.addEventListener('online', () => this.#room?.retryConnection());
    showGate({ kind: 'loading' });
    this.#branded = this.#loadBrand();
    await this.#signIn();
  }

  /** Without its brand the page still works, in plain clothes. */
  async #loadBrand(): Promise<void> {
    try {
      this.#brand = completeBrand(await getBrand());
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
    }
    applyBrand(this.#brand);
  }

  async #signIn(): Promise<void> {
    const code = new URLSearchParams(location.hash.slice(1)).get('code');
    // The code works once, but there is no reason to leave it in the address bar or the history.
    if (code) history.replaceState(null, '', location.pathname + location.search);
    showGate({ kind: code ? 'signing-in' : 'loading' });
    try {
      const me = code ? await exchangeOrResume(code) : await getMe();
      await this.#branded;
      this.#enter(me);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (error.status === 401 || error.status === 400)
        showGate({ kind: 'signed-out', reason: code ? 'link-used' : 'none' });
      else showGate({ kind: 'failed', message: error.message, retry: () => location.reload() });
    }
  }

  #enter(me: SignedIn): void {
    hideGate();
    this.#sidebar.show(me.memberName);
    this.#openRoom();
    void this.#refreshSessions();
  }

  async #onAddress(): Promise<void> {
    const address = new URLSearchParams(location.hash.slice(1));
    if (address.has('code')) return this.#signIn();
    if (this.#room && address.get('c') === this.#room.session && address.has('c')) return;
    if (this.#room) this.#openRoom();
  }

  #openRoom(remark = ''): void {
    this.#room?.close();
    const session = new URLSearchParams(location.hash.slice(1)).get('c');
    if (session === null && location.hash) history.replaceState(null, '', location.pathname + location.search);
    const listener = {
      onConnected: () => this.#continueLatest(),
      onStored: (stored: string) => this.#onStored(stored),
      onSignedOut: () => this.#signedOut('expired'),
    };
    const views = { transcript: this.#transcript, composer: this.#composer, status: this.#status };
    this.#room = new Room(views, listener, this.#brand.greeting, session, remark);
    void this.#room.open();
    this.#renderSessions();
    this.#composer.focus();
  }

  /** Asked for a new conversation, a gateway that may not keep another one answers with the latest: shows it then. */
  #continueLatest(): void {
    const session = this.#room?.isBlank ? this.#room.connectedSession : null;
    if (session === null || !this.#sessions.some((stored) => stored.session === session)) return;
    history.replaceState(null, '', `#c=${encodeURIComponent(session)}`);
    this.#openRoom('Your membership has no room for another conversation, so this goes on with the latest one.');
  }

  #onStored(session: string): void {
    if (!session) return;
    const address = `#c=${encodeURIComponent(session)}`;
    if (location.hash !== address) history.replaceState(null, '', address);
    void this.#refreshSessions();
  }

  async #refreshSessions(): Promise<void> {
    try {
      this.#sessions = await listSessions();
      this.#renderSessions();
      this.#continueLatest();
    } catch (error) {
      // The list is a convenience: the conversation goes on, and the next message brings the list again.
      if (!(error instanceof RequestFailed)) throw error;
    }
  }

  #renderSessions(): void {
    this.#sidebar.render(this.#sessions, this.#room?.session ?? null, new Date());
    const title = this.#sessions.find((session) => session.session === this.#room?.session)?.title;
    byId('heading').textContent = title ?? 'New conversation';
    document.title = title ? `${title} · ${this.#brand.name}` : this.#brand.name;
  }

  async #leave(): Promise<void> {
    try {
      await signOut();
      this.#signedOut('left');
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      showGate({
        kind: 'failed',
        message: `You are still signed in. ${error.message}`,
        retry: () => location.reload(),
      });
    }
  }

  #signedOut(reason: 'expired' | 'left'): void {
    this.#room?.close();
    this.#room = null;
    this.#sessions = [];
    this.#sidebar.close();
    showGate({ kind: 'signed-out', reason });
  }
}

/** A link that was used before still leads in when this browser is signed in already. */
async function exchangeOrResume(code: string): Promise<SignedIn> {
  try {
    return await exchangeCode(code);
  } catch (error) {
    if (!(error instanceof RequestFailed) || error.status !== 401) throw error;
    return getMe();
  }
}
