import { reconnectDelay } from '#libs/browser';

/** What the overview listens to; each makes it load its lists again. */
export const TOPICS = ['operations', 'gateways', 'members'] as const;
export type Topic = (typeof TOPICS)[number];

export interface LiveEvent {
  readonly topic: Topic;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

export interface EventParts {
  openSocket(events: { onOpen(): void; onMessage(data: unknown): void; onClose(): void }): {
    send(data: string): void;
    close(): void;
  };
  /** False when the sign-in has ended, which a failed upgrade does not say. */
  isSignedIn(): Promise<boolean>;
  random(): number;
  after(milliseconds: number, run: () => void): () => void;
}

export interface EventListeners {
  onEvent(event: LiveEvent): void;
  onLive(live: boolean): void;
  /** What was missed cannot be had any more: everything has to be loaded again. */
  onGap(): void;
  onSignedOut(): void;
}

/** A socket that says nothing for this long after an attempt to open it is given up, in milliseconds. */
export const OPEN_WITHIN = 10_000;

/** The operator's event socket: reconnects by itself and goes on after the last event it saw. */
export class EventStream {
  #socket: ReturnType<EventParts['openSocket']> | null = null;
  /** The server's word for a place in its log: given back as it came. */
  #cursor: string | undefined;
  #attempt = 0;
  #stopped = false;
  #cancelTimer: () => void = () => undefined;

  constructor(
    private readonly parts: EventParts,
    private readonly listeners: EventListeners,
  ) {}

  start(): void {
    if (this.#stopped) return;
    const socket = this.parts.openSocket({
      onOpen: () => this.#opened(socket),
      onMessage: (data) => this.#receive(socket, data),
      onClose: () => void this.#closed(socket),
    });
    this.#socket = socket;
    this.#cancelTimer = this.parts.after(OPEN_WITHIN, () => void this.#closed(socket));
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    this.#socket?.close();
    this.#socket = null;
  }

  #opened(socket: object): void {
    if (socket !== this.#socket) return;
    this.#cancelTimer();
    this.#attempt = 0;
    this.#subscribe();
    this.listeners.onLive(true);
    // Without a cursor nothing can be resumed: what happened before the subscription is in the lists.
    if (this.#cursor === undefined) this.listeners.onGap();
  }

  #subscribe(): void {
    this.#socket?.send(JSON.stringify({ type: 'subscribe', topics: TOPICS, after: this.#cursor }));
  }

  #receive(socket: object, data: unknown): void {
    if (socket !== this.#socket || typeof data !== 'string') return;
    const frame = parse(data);
    if (frame?.type === 'error') return this.#refused();
    if (frame?.type === 'subscribed') this.#cursor ??= frame.cursor;
    if (frame?.type !== 'event' || frame.cursor === this.#cursor) return;
    this.#cursor = frame.cursor;
    this.listeners.onEvent({ topic: frame.topic, id: frame.id, data: frame.data ?? {} });
  }

  /** A cursor that the server does not take: listens from now on, and the lists bring what was missed. */
  #refused(): void {
    if (this.#cursor !== undefined) {
      this.#cursor = undefined;
      this.#subscribe();
    }
    this.listeners.onGap();
  }

  async #closed(socket: object): Promise<void> {
    if (socket !== this.#socket) return;
    this.#cancelTimer();
    this.#socket?.close();
    this.#socket = null;
    this.listeners.onLive(false);
    if (!(await this.parts.isSignedIn())) return this.#stopped ? undefined : this.listeners.onSignedOut();
    if (this.#stopped) return;
    this.#cancelTimer = this.parts.after(reconnectDelay(this.#attempt, this.parts.random), () => this.start());
    this.#attempt += 1;
  }
}

type EventFrame = { readonly type: 'event'; readonly cursor: string } & LiveEvent;
type Frame = EventFrame | { readonly type: 'subscribed'; readonly cursor: string } | { readonly type: 'error' };

function parse(data: string): Frame | undefined {
  try {
    return JSON.parse(data) as Frame;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
