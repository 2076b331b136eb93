import type { ClientFrame, ServerFrame } from '#libs/contracts';
import { CLOSE } from '#libs/contracts';
import { reconnectDelay } from '#libs/browser';
import {
  parseFrame,
  TIMES,
  type ConnectionListener,
  type ConnectionParts,
  type SocketLike,
} from './connection-parts.js';
import { Cursor } from './cursor.js';
import { Timers } from './timers.js';

/** Id of the connect frame; an error names it. */
const CONNECT = 'connect';
/** Refusals of a gateway on its way in or out: the same message may come again under the same key. */
const ASK_AGAIN = new Set(['gateway-unconfigured', 'gateway-draining', 'agent-draining']);

interface Outgoing {
  readonly key: string;
  readonly text: string;
}

/**
 * One session's socket. Reconnects by itself, resumes after the last frame it saw, and sends a message again under the
 * same idempotency key until the gateway has accepted it, so that a message is answered once whatever breaks.
 */
export class Connection {
  readonly #outbox = new Map<string, Outgoing>();
  readonly #cursor: Cursor;
  #socket: SocketLike | null = null;
  #ready = false;
  #stopped = false;
  #attempt = 0;
  #notBefore = 0;
  #draining = false;
  #heartbeat: number = TIMES.defaultHeartbeat;
  readonly #timers: Timers<'retry' | 'open' | 'beat' | 'silence' | 'acknowledge' | 'drain'>;

  constructor(
    private readonly parts: ConnectionParts,
    private readonly listener: ConnectionListener,
    session: string | null,
    after: number,
  ) {
    this.#cursor = new Cursor(session, after);
    this.#timers = new Timers((milliseconds, run) => parts.after(milliseconds, run));
  }

  get session(): string | null {
    return this.#cursor.session;
  }

  start(): void {
    if (this.#stopped || this.#socket) return;
    if (!this.parts.isOnline()) return this.wentOffline();
    this.#timers.clear('retry');
    this.listener.onStatus({ kind: 'connecting' });
    let opened = false;
    const socket = this.parts.openSocket({
      onOpen: () => {
        opened = true;
        if (socket === this.#socket) this.#transmit(this.#connectFrame());
      },
      onMessage: (data) => this.#receive(socket, data),
      onClose: (code) => void this.#closed(socket, code, opened),
    });
    this.#socket = socket;
    this.#timers.set('open', TIMES.open, () => this.#drop(socket));
  }

  send(key: string, text: string): void {
    this.#outbox.set(key, { key, text });
    if (this.#ready && !this.#draining) this.#sendMessage({ key, text });
  }

  /** Takes back a message that was not accepted yet; false when it is too late for that. */
  withdraw(key: string): boolean {
    return !this.#ready && this.#outbox.delete(key);
  }

  abort(task: string): void {
    if (this.#ready) this.#transmit({ type: 'abort', id: `abort-${task}`, task });
  }

  stop(): void {
    this.#end('stopped');
  }

  wentOffline(): void {
    if (this.#stopped) return;
    this.#release();
    this.listener.onStatus({ kind: 'offline' });
  }

  /** The network is back, or the reader does not want to wait for the next attempt. */
  retryNow(): void {
    this.#notBefore = 0;
    this.#attempt = 0;
    this.start();
  }

  #connectFrame(): ClientFrame {
    const { session, after } = this.#cursor;
    return { type: 'connect', id: CONNECT, ...(session ? { resume: { session, after } } : {}) };
  }

  #receive(socket: SocketLike, data: unknown): void {
    if (socket !== this.#socket || typeof data !== 'string') return;
    const frame = parseFrame(data);
    if (!frame) return;
    this.#expectSound();
    switch (frame.type) {
      case 'connected':
        return this.#connected(frame);
      case 'heartbeat':
        return;
      case 'draining':
        return this.#drain(frame.reconnectAfterMs);
      default:
        return this.#deliver(socket, frame);
    }
  }

  #deliver(socket: SocketLike, frame: ServerFrame): void {
    if (frame.type === 'error' && this.#recovers(socket, frame)) return;
    const verdict = this.#cursor.take(frame);
    if (verdict === 'gap') return this.#drop(socket, 0);
    if (frame.type === 'accepted' || frame.type === 'error') this.#settle(frame.id);
    if (verdict === 'new') this.listener.onFrame(frame);
  }

  /** Errors that the connection deals with by itself; true when nobody else needs to hear of it. */
  #recovers(socket: SocketLike, { id, code }: ServerFrame & { type: 'error' }): boolean {
    const concerned = id === CONNECT || (id !== undefined && this.#outbox.has(id));
    if (!concerned) return false;
    if (code === 'session-not-found') {
      // A new session that was never used may be gone after a restart: begin afresh, the outbox still holds the message.
      this.#cursor.forget();
      this.#drop(socket);
    } else if (code === 'resume-invalid' && this.#cursor.session) {
      this.#release();
      this.listener.onStale(this.#cursor.session);
    } else if (ASK_AGAIN.has(code)) this.#drop(socket);
    else return false;
    return true;
  }

  /** Goes on after a history that was loaded; undefined when that failed: tries the same again later. */
  resumeAt(seq: number | undefined): void {
    if (seq === undefined) return this.#stopped ? undefined : this.#retryLater('lost');
    this.#cursor.after = seq;
    this.start();
  }

  #settle(key: string | undefined): void {
    if (key === undefined || !this.#outbox.delete(key)) return;
    if (this.#outbox.size === 0) this.#timers.clear('acknowledge');
  }

  #connected(frame: ServerFrame & { type: 'connected' }): void {
    this.#cursor.connectedTo(frame.session);
    this.#heartbeat = frame.heartbeatSeconds * 1000;
    this.#timers.clear('open');
    this.#ready = true;
    this.#draining = false;
    this.#attempt = 0;
    this.listener.onFrame(frame);
    this.listener.onStatus({ kind: 'open' });
    this.#beat();
    this.#expectSound();
    for (const message of this.#outbox.values()) this.#sendMessage(message);
  }

  #sendMessage({ key, text }: Outgoing): void {
    const session = this.#cursor.session ?? undefined;
    this.#transmit({ type: 'message', id: key, idempotencyKey: key, ...(session ? { session } : {}), text });
    const socket = this.#socket;
    this.#timers.set('acknowledge', TIMES.acknowledge, () => socket && this.#drop(socket));
  }

  #drain(reconnectAfter: number): void {
    // Answers that run may still finish on this socket; new messages wait for the next one.
    this.#draining = true;
    this.#notBefore = this.parts.now() + reconnectAfter;
    const socket = this.#socket;
    this.#timers.set('drain', reconnectAfter, () => socket && this.#drop(socket, 0));
  }

  #beat(): void {
    this.#timers.set('beat', this.#heartbeat, () => {
      this.#transmit({ type: 'heartbeat' });
      this.#beat();
    });
  }

  /** Two heartbeats without a sound mean that the network swallowed the connection without closing it. */
  #expectSound(): void {
    const socket = this.#socket;
    if (this.#ready) this.#timers.set('silence', this.#heartbeat * 2.2, () => socket && this.#drop(socket));
  }

  async #closed(socket: SocketLike, code: number, opened: boolean): Promise<void> {
    if (socket !== this.#socket) return;
    const draining = this.#draining;
    this.#release();
    if (code === CLOSE.unauthenticated) return this.#end('signed-out');
    if (code === CLOSE.notFound) return this.#end('not-found');
    if (code === CLOSE.limited) this.#notBefore = this.parts.now() + TIMES.limited;
    if (!opened && (await this.parts.probe()) === 'signed-out') return this.#end('signed-out');
    if (this.#stopped || this.#socket) return;
    if (!this.parts.isOnline()) return this.wentOffline();
    this.#retryLater(code === CLOSE.limited ? 'limited' : draining ? 'draining' : 'lost');
  }

  /** Leaves a socket that is of no use any more without waiting for its close event. */
  #drop(socket: SocketLike, delay?: number): void {
    if (socket !== this.#socket) return;
    this.#release();
    if (delay === undefined) this.#retryLater('lost');
    else this.start();
  }

  #retryLater(reason: 'lost' | 'draining' | 'limited'): void {
    const retryAt = Math.max(this.#notBefore, this.parts.now() + reconnectDelay(this.#attempt, this.parts.random));
    this.#attempt += 1;
    this.listener.onStatus({ kind: 'waiting', retryAt, reason });
    this.#timers.set('retry', retryAt - this.parts.now(), () => this.start());
  }

  #end(reason: 'signed-out' | 'not-found' | 'stopped'): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#release();
    this.listener.onStatus({ kind: 'closed', reason });
  }

  #release(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    this.#draining = false;
    this.#timers.clearAll();
    socket?.close();
  }

  #transmit(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }
}
