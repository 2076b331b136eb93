import { byId, RequestFailed } from '#libs/browser';
import { eventsUrl, listGateways, listMembers, listOperations } from './api.js';
import { EventStream, type EventParts } from './events.js';
import { appendPage, applyEvent, EMPTY_FLEET, refreshPage } from './fleet.js';
import { showFleet, type Section } from './overview.js';
import { getSession } from './session-api.js';

/** Events come in bursts; the lists are loaded again this long after the first of one, in milliseconds. */
const SETTLE = 400;

/** The fleet, live, from the first time it is shown until the session ends. */
export class OverviewPage {
  #fleet = EMPTY_FLEET;
  #events: EventStream | null = null;
  #reload: ReturnType<typeof setTimeout> | undefined;

  /** `onFailure` hears what the server refused. */
  constructor(private readonly onFailure: (error: RequestFailed) => void) {}

  start(): void {
    if (this.#events) return;
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
      onSignedOut: () => this.onFailure(new RequestFailed(401, 'session-required', '')),
    });
    this.#events.start();
    void this.#guard(() => this.#load());
  }

  stop(): void {
    clearTimeout(this.#reload);
    this.#events?.stop();
    this.#events = null;
    this.#fleet = EMPTY_FLEET;
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

  async #guard(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      this.onFailure(error);
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
      await getSession();
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
