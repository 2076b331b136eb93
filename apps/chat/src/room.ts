import type { ServerFrame } from '#libs/contracts';
import { byId, RequestFailed } from '#libs/browser';
import { getSession } from './api.js';
import { browserParts } from './browser-parts.js';
import type { Composer } from './composer.js';
import type { ConnectionStatus } from './connection-parts.js';
import { Connection } from './connection.js';
import {
  applyFrame,
  asked,
  fromHistory,
  isForeign,
  isOpen,
  mergeHistory,
  withoutPartial,
  type Exchange,
} from './conversation.js';
import { Speaker } from './speaker.js';
import type { StatusView } from './status-view.js';
import type { Transcript } from './transcript.js';

export interface RoomViews {
  readonly transcript: Transcript;
  readonly composer: Composer;
  readonly status: StatusView;
}

export interface RoomListener {
  /** An empty conversation is connected; the gateway chose its session. */
  onConnected(session: string): void;
  /** The gateway has stored a message: the session exists from now on, or has moved to the top. */
  onStored(session: string): void;
  onSignedOut(): void;
}

/** One conversation on the page: its exchanges, its connection, and what the member does with them. */
export class Room {
  #exchanges: readonly Exchange[] = [];
  #connection: Connection | null = null;
  #status: ConnectionStatus = { kind: 'connecting' };
  #limitedUntil: Date | null = null;
  #limitTimer: ReturnType<typeof setTimeout> | undefined;
  #stopWanted: string | null = null;
  #drawing = false;
  #closed = false;
  #catchingUp = false;
  readonly #speaker = new Speaker();

  constructor(
    private readonly views: RoomViews,
    private readonly listener: RoomListener,
    private readonly greeting: string,
    private readonly initialSession: string | null,
    /** Something the member should know about this conversation. */
    private readonly remark = '',
  ) {}

  /** Nothing was asked here, and no stored conversation was opened. */
  get isBlank(): boolean {
    return this.initialSession === null && this.#exchanges.length === 0;
  }

  /** The session that the connection serves, also while nothing is stored in it. */
  get connectedSession(): string | null {
    return this.#connection?.session ?? null;
  }

  get session(): string | null {
    return this.#exchanges.length > 0 ? (this.#connection?.session ?? this.initialSession) : this.initialSession;
  }

  async open(): Promise<void> {
    this.views.composer.render({ busy: false, stopping: false, limitedUntil: null });
    if (this.initialSession === null) {
      this.views.transcript.showWelcome(this.greeting);
      return this.#connect(null, 0);
    }
    this.views.transcript.showLoading();
    try {
      const view = await getSession(this.initialSession);
      if (this.#closed) return;
      this.#exchanges = fromHistory(view);
      // With an answer under way, its frames are asked for from the start; those of finished ones change nothing.
      this.#connect(view.session, this.#exchanges.some(isOpen) ? 0 : view.seq);
      this.#draw();
    } catch (error) {
      this.#failedToLoad(error);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#limitTimer);
    this.#connection?.stop();
  }

  ask(text: string): void {
    const key = crypto.randomUUID();
    this.#exchanges = [...this.#exchanges, asked(key, text)];
    this.views.transcript.follow();
    this.#connection?.send(key, text);
    this.#drawNow();
  }

  /** A new attempt is a new message: the old key would only repeat the old result. */
  retry(exchange: Exchange): void {
    this.#exchanges = this.#exchanges.filter((other) => other.key !== exchange.key);
    this.ask(exchange.question);
  }

  /** Stops the answer under way; a message that never left goes back into the field. */
  stopAnswer(): void {
    const exchange = this.#exchanges.findLast(isOpen);
    if (!exchange) return;
    if (exchange.task === null && this.#connection?.withdraw(exchange.key)) {
      this.#exchanges = this.#exchanges.filter((other) => other !== exchange);
      if (this.views.composer.text === '') this.views.composer.fill(exchange.question);
      if (this.#exchanges.length === 0) this.views.transcript.showWelcome(this.greeting);
    } else {
      this.#stopWanted = exchange.key;
      if (exchange.task !== null) this.#connection?.abort(exchange.task);
    }
    this.#drawNow();
  }

  retryConnection(): void {
    this.#connection?.retryNow();
  }

  wentOffline(): void {
    this.#connection?.wentOffline();
  }

  #connect(session: string | null, after: number): void {
    const listener = {
      onStatus: (status: ConnectionStatus) => this.#onStatus(status),
      onFrame: (frame: ServerFrame) => this.#onFrame(frame),
      onStale: (stale: string) => void this.#reload(stale),
    };
    this.#connection = new Connection(browserParts, listener, session, after);
    this.#connection.start();
  }

  #failedToLoad(error: unknown): void {
    if (this.#closed) return;
    if (!(error instanceof RequestFailed)) throw error;
    if (error.status === 401) return this.listener.onSignedOut();
    const message = error.status === 404 ? 'This conversation does not exist any more.' : error.message;
    this.views.transcript.showFailure(message, () => void this.open());
  }

  #onStatus(status: ConnectionStatus): void {
    if (this.#closed) return;
    this.#status = status;
    if (status.kind === 'closed' && status.reason === 'signed-out') return this.listener.onSignedOut();
    this.views.status.render(status);
    this.#draw();
  }

  #onFrame(frame: ServerFrame): void {
    if (this.#closed) return;
    if (isForeign(this.#exchanges, frame)) void this.#catchUp();
    this.#exchanges = applyFrame(this.#exchanges, frame);
    if (frame.type === 'connected' && this.isBlank) this.listener.onConnected(frame.session);
    if (frame.type === 'accepted') this.#onAccepted(frame);
    if (frame.type === 'done') this.listener.onStored(this.#connection?.session ?? '');
    if (frame.type === 'error') this.#onError(frame);
    this.#draw();
  }

  #onAccepted(frame: ServerFrame & { type: 'accepted' }): void {
    this.listener.onStored(frame.session);
    if (this.#stopWanted === frame.id) this.#connection?.abort(frame.task);
  }

  #onError(frame: ServerFrame & { type: 'error' }): void {
    if (frame.retryAfter === undefined || !frame.code.includes('limit')) return;
    this.#limitedUntil = new Date(Date.now() + frame.retryAfter * 1000);
    clearTimeout(this.#limitTimer);
    this.#limitTimer = setTimeout(() => {
      this.#limitedUntil = null;
      this.#draw();
    }, frame.retryAfter * 1000);
  }

  /** Another window of this member wrote into the same conversation: its question is only in the history. */
  async #catchUp(): Promise<void> {
    const session = this.#connection?.session;
    if (!session || this.#catchingUp) return;
    this.#catchingUp = true;
    await this.#mergeHistory(session);
    this.#catchingUp = false;
  }

  /** Too much was missed to be sent again: takes the conversation from its history and goes on from there. */
  async #reload(session: string): Promise<void> {
    this.#exchanges = this.#exchanges.map(withoutPartial);
    const seq = await this.#mergeHistory(session);
    if (!this.#closed) this.#connection?.resumeAt(seq);
  }

  /** The number of the last frame that the history covers; undefined when it could not be loaded. */
  async #mergeHistory(session: string): Promise<number | undefined> {
    try {
      const view = await getSession(session);
      if (this.#closed) return undefined;
      this.#exchanges = mergeHistory(this.#exchanges, fromHistory(view));
      this.#draw();
      return view.seq;
    } catch (error) {
      // Nothing is lost: the next frame of the other window, or the next attempt to connect, asks once more.
      if (!(error instanceof RequestFailed)) throw error;
      return undefined;
    }
  }

  /** Many frames arrive between two pictures of the screen; one redraw is enough for all of them. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      if (!this.#closed) this.#drawNow();
    });
  }

  #drawNow(): void {
    const open = this.#exchanges.findLast(isOpen);
    if (!open || open.key !== this.#stopWanted) this.#stopWanted = null;
    if (this.#exchanges.length > 0) {
      this.views.transcript.render(this.#exchanges, this.#status.kind !== 'open', this.#limitedUntil !== null);
    }
    this.views.composer.render({
      busy: open !== undefined,
      stopping: this.#stopWanted !== null,
      limitedUntil: this.#limitedUntil,
    });
    showNotice(this.#limitedUntil, this.remark);
    this.#speaker.follow(this.#exchanges.at(-1));
  }
}

function showNotice(until: Date | null, remark: string): void {
  const notice = byId('notice');
  const time = until?.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  const text = until ? `You have reached your limit for now. You can write again at ${time}.` : remark;
  notice.hidden = text === '';
  if (notice.textContent !== text) notice.textContent = text;
}
