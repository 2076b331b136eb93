import { byId, icon, RequestFailed } from '#libs/browser';
import { eventsUrl, getEmail, listGateways, listMembers, listOperations, signIn, signOut } from './api.js';
import { EventStream, type EventParts } from './events.js';
import { appendPage, applyEvent, EMPTY_FLEET, refreshPage } from './fleet.js';
import { showFleet, type Section } from './overview.js';

/** Events come in bursts; the lists are loaded again this long after the first of one, in milliseconds. */
const SETTLE = 400;

export class App {
  #fleet = EMPTY_FLEET;
  #events: EventStream | null = null;
  #reload: ReturnType<typeof setTimeout> | undefined;

  async start(): Promise<void> {
    byId('sign-out').replaceChildren(icon('leave'), 'Sign out');
    byId('sign-out').addEventListener('click', () => void this.#guard(() => this.#leave()));
    byId('sign-in').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#signIn();
    });
    await this.#guard(async () => this.#enter(await getEmail()));
  }

  async #signIn(): Promise<void> {
    const button = byId<HTMLButtonElement>('sign-in-button');
    const password = byId<HTMLInputElement>('password');
    button.disabled = true;
    byId('sign-in-problem').textContent = '';
    try {
      await signIn(byId<HTMLInputElement>('email').value.trim(), password.value);
      password.value = '';
      this.#enter(await getEmail());
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      const wrong = error.status === 401 || error.status === 400;
      byId('sign-in-problem').textContent = wrong ? 'E-mail or password is not right.' : error.message;
      password.select();
    } finally {
      button.disabled = false;
    }
  }

  #enter(email: string): void {
    byId('gate').hidden = true;
    byId('shell').hidden = false;
    byId('skip').hidden = false;
    byId('who').textContent = email;
    this.#showLive(false);
    this.#draw();
    this.#events = new EventStream(browserParts, {
      onEvent: (event) => {
        this.#fleet = applyEvent(this.#fleet, event);
        this.#draw();
        this.#loadSoon();
      },
      onLive: (live) => this.#showLive(live),
      onGap: () => this.#loadSoon(),
      onSignedOut: () => this.#showSignIn('Your sign-in has ended. Please sign in again.'),
    });
    this.#events.start();
    void this.#guard(() => this.#load());
  }

  async #leave(): Promise<void> {
    await signOut();
    this.#showSignIn('');
  }

  #showSignIn(message: string): void {
    clearTimeout(this.#reload);
    this.#events?.stop();
    this.#events = null;
    this.#fleet = EMPTY_FLEET;
    byId('shell').hidden = true;
    byId('skip').hidden = true;
    byId('gate').hidden = false;
    byId('sign-in-problem').textContent = message;
    byId('email').focus();
  }

  #loadSoon(): void {
    clearTimeout(this.#reload);
    this.#reload = setTimeout(() => void this.#guard(() => this.#load()), SETTLE);
  }

  async #load(): Promise<void> {
    const [members, gateways, operations] = await Promise.all([listMembers(), listGateways(), listOperations()]);
    this.#fleet = {
      members: refreshPage(this.#fleet.members, members),
      gateways: refreshPage(this.#fleet.gateways, gateways),
      operations: refreshPage(this.#fleet.operations, operations),
    };
    byId('problem').textContent = '';
    this.#draw();
  }

  async #more(section: Section): Promise<void> {
    const cursor = this.#fleet[section].nextCursor ?? undefined;
    const { members, gateways, operations } = this.#fleet;
    if (section === 'members')
      this.#fleet = { ...this.#fleet, members: appendPage(members, await listMembers(cursor)) };
    if (section === 'gateways')
      this.#fleet = { ...this.#fleet, gateways: appendPage(gateways, await listGateways(cursor)) };
    if (section === 'operations')
      this.#fleet = { ...this.#fleet, operations: appendPage(operations, await listOperations(cursor)) };
    this.#draw();
  }

  #draw(): void {
    showFleet(this.#fleet, (section) => void this.#guard(() => this.#more(section)));
  }

  #showLive(live: boolean): void {
    byId('live').toggleAttribute('data-on', live);
    byId('live').textContent = live ? 'Live' : 'Connecting';
  }

  /** Runs one thing an operator asked for; what the server refuses is shown where they look. */
  async #guard(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (error.status === 401) return this.#showSignIn('');
      const place = byId('shell').hidden ? 'sign-in-problem' : 'problem';
      byId('gate').hidden = !byId('shell').hidden;
      byId(place).textContent = error.message;
    }
  }
}

const browserParts: EventParts = {
  openSocket: (events) => {
    const socket = new WebSocket(eventsUrl());
    socket.addEventListener('open', () => events.onOpen());
    socket.addEventListener('message', (event) => events.onMessage(event.data));
    socket.addEventListener('close', () => events.onClose());
    return socket;
  },
  isSignedIn: async () => {
    try {
      await getEmail();
      return true;
    } catch (error) {
      return !(error instanceof RequestFailed && error.status === 401);
    }
  },
  random: () => Math.random(),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
