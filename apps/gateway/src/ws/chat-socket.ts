import { CHAT_LIMITS, CLOSE, type ServerFrame } from '#libs/contracts';
import { delay, DomainError, toProblem } from '#libs/kernel';
import type { Logger } from '#libs/telemetry';
import { TokenExpired } from '#libs/tokens';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Agent, AgentSocket } from '../agents/agent.js';

import type { Gateway } from '../agents/gateway.js';
import { checkMessage, type MessageFields } from '../chat/message.check.js';
import { CredentialMissing, FrameInvalid, ResumeInvalid, SessionNotFound } from '../errors.js';
import type { Access, AccessControl } from '../http/access.js';
import { LIMITS } from '../limits.js';
import type { Activity } from '../load/activity.js';
import type { Metrics } from '../metrics.js';
import { type CheckedFrame, checkFrame, frameIdOf, type Resume } from './client-frame.check.js';

export interface SocketParts {
  readonly gateway: Gateway;
  readonly access: AccessControl;
  readonly activity: Activity;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly now: () => Date;
}

type Connect = Extract<CheckedFrame, { type: 'connect' }>;

/** One client's chat socket: authenticates, takes frames in order, hands out the frames of the sessions it follows. */
export class ChatSocket implements AgentSocket {
  #access: Access | undefined;
  #session: string | undefined;
  readonly #subscriptions = new Map<string, () => void>();
  /** Frames are handled one after the other: a message must not overtake the connect before it. */
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #alive = true;
  readonly #connectTimer: NodeJS.Timeout;

  constructor(
    private readonly socket: WebSocket,
    private readonly request: IncomingMessage,
    private readonly agentId: string | undefined,
    private readonly handshakeToken: string | undefined,
    private readonly parts: SocketParts,
  ) {
    this.#connectTimer = setTimeout(() => this.#connectLate(), CHAT_LIMITS.connectWithin);
    socket.on('message', (data: Buffer, binary) => this.#receive(data, binary));
    socket.on('pong', () => (this.#alive = true));
    socket.on('close', () => this.#closed());
    socket.on('error', (error) => parts.logger.debug({ err: error }, 'socket error'));
  }

  /** Called every heartbeat: a socket that showed no life since the last one is gone, unless it was us who slept. */
  beat(wasFrozen: boolean): void {
    if (!this.#alive && !wasFrozen) return this.socket.terminate();
    this.#alive = false;
    this.socket.ping();
  }

  drain(): void {
    const reconnectAfterMs = 1000 + Math.floor(Math.random() * LIMITS.reconnectSpread);
    this.#send({ type: 'draining', reconnectAfterMs });
  }

  revise(): void {
    this.drain();
    this.end();
  }

  end(): void {
    this.socket.close(CLOSE.goingAway, 'draining');
    // A client that does not answer the close would keep the process from ending.
    setTimeout(() => this.socket.terminate(), 1000).unref();
  }

  /** After a freeze the timer comes before what had arrived in time: that is read first. */
  #connectLate(): void {
    setImmediate(() => {
      if (!this.#access && this.#waiting === 0) this.#refuse(new CredentialMissing());
    });
  }

  unread(): number {
    return this.socket.bufferedAmount;
  }

  #receive(data: Buffer, binary: boolean): void {
    this.#alive = true;
    const limit = this.#access ? CHAT_LIMITS.frame : CHAT_LIMITS.frameBeforeAuth;
    if (data.length > limit) return this.socket.close(CLOSE.tooLarge, 'frame too large');
    // A client may not pile up work: the reader stops until what came is handled.
    this.#waiting += 1;
    if (this.#waiting > 16) this.socket.pause();
    this.#queue = this.#queue.then(async () => {
      await this.#handle(binary ? '' : data.toString('utf8'));
      this.#waiting -= 1;
      if (this.#waiting === 0 && this.socket.isPaused) this.socket.resume();
    });
  }

  async #handle(data: string): Promise<void> {
    if (!this.#isOpen()) return;
    try {
      const frame = checkFrame(data);
      if (frame.type === 'connect') await this.#connect(frame, data);
      else if (!this.#access) this.#refuse(new CredentialMissing());
      else await this.#take(frame, this.#access);
    } catch (error) {
      this.#answerError(error, frameIdOf(data));
    }
  }

  #answerError(error: unknown, id: string | undefined): void {
    const kind = error instanceof DomainError ? error.kind : 'internal';
    if (kind === 'internal') this.parts.logger.error({ err: error }, 'frame failed');
    if (!this.#access || kind === 'unauthenticated') return this.#refuse(error, id);
    this.#sendError(error, id);
  }

  async #connect(frame: Connect, data: string): Promise<void> {
    // The proxy looks into frames of this size for the tokens they bring: none may come past it in a larger one.
    if (Buffer.byteLength(data) > CHAT_LIMITS.frameBeforeAuth)
      throw new FrameInvalid('A connect frame has at most 64 KiB.');
    this.parts.gateway.checkOpen();
    const token = frame.token ?? (this.#access ? undefined : this.handshakeToken);
    if (token !== undefined) await this.#authenticate(token);
    else if (!this.#access) throw this.parts.access.refuse(new CredentialMissing(), this.request);
    // The client may have gone while its token was verified.
    await this.#access!.agent.turn();
    if (this.#isOpen()) await this.#open(this.#access!, frame.resume);
  }

  async #authenticate(token: string): Promise<void> {
    const access = await this.parts.access.authenticate(token, this.agentId, this.request);
    if (this.#access && this.#access.agent !== access.agent) this.#leave(this.#access.agent);
    if (!this.#isOpen()) return;
    this.#access = access;
    clearTimeout(this.#connectTimer);
    access.agent.sockets.add(this);
  }

  async #open(access: Access, resume: Resume | undefined): Promise<void> {
    const { agent, room, visitor } = access;
    if (resume) checkResume(access, resume);
    this.#session = resume?.session ?? room.sessionForNewConnection(visitor);
    this.#send({
      type: 'connected',
      session: this.#session,
      agent: agent.config.agentId,
      trustMode: room.modeIn(visitor, this.#session),
      heartbeatSeconds: CHAT_LIMITS.heartbeatSeconds,
    });
    if (resume) await this.#replay(access, resume);
    this.#follow(access, this.#session);
  }

  /**
   * Sends what was missed, no faster than the client reads. Frames that come meanwhile are kept and so found by a later
   * look; after the look that finds none the caller subscribes in the same tick, so none is lost and none comes twice.
   */
  async #replay({ agent, room, visitor }: Access, { session, after }: Resume): Promise<void> {
    this.#subscriptions.get(session)?.();
    this.#subscriptions.delete(session);
    let at = after;
    for (;;) {
      await agent.turn();
      const frames = room.framesAfter(visitor, session, at);
      if (frames.length === 0 || !this.#isOpen()) return;
      for (const { seq, frame } of frames) {
        while (this.#isOpen() && this.socket.bufferedAmount > LIMITS.replayAhead) await delay(LIMITS.replayPause);
        this.#sendText(frame);
        at = seq;
      }
    }
  }

  #isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  async #take(frame: Exclude<CheckedFrame, Connect>, access: Access): Promise<void> {
    if (frame.type === 'heartbeat') return this.#send({ type: 'heartbeat', at: this.parts.now().toISOString() });
    await access.agent.turn();
    // The client, or its access, may have gone meanwhile.
    if (!this.#isOpen()) return;
    if (this.parts.now().getTime() > access.expiresAt) throw new TokenExpired();
    this.parts.gateway.checkOpen();
    if (frame.type === 'abort') return access.room.abort(access.visitor, frame.task);
    this.#message(frame.id, frame.fields, access);
  }

  #message(id: string, fields: MessageFields, access: Access): void {
    const { room, visitor } = access;
    const message = checkMessage(fields);
    const key = message.idempotencyKey!;
    const session = message.session ?? this.#session;
    // Before the message is accepted, so that its own `accepted` arrives here too.
    if (session !== undefined) this.#follow(access, session);
    const accepted = room.send({ id, key, session, text: message.text, visitor });
    if (!accepted.repeated) return;
    const { task, seq } = accepted;
    this.#follow(access, accepted.session);
    this.#send({ type: 'accepted', id, task, session: accepted.session, seq });
    const last = room.lastFrameOf(accepted.repeated);
    if (last) this.#sendText(last);
  }

  #follow({ room, visitor }: Access, session: string): void {
    if (this.#subscriptions.has(session)) return;
    this.#subscriptions.set(
      session,
      room.subscribe(visitor, session, (kept) => this.#sendText(kept.text)),
    );
  }

  #send(frame: ServerFrame): void {
    this.#sendText(JSON.stringify(frame));
  }

  #sendError(error: unknown, id: string | undefined): void {
    const { code, detail: message } = toProblem(error);
    const retryAfter = error instanceof DomainError ? error.retryAfter : undefined;
    this.#send({
      type: 'error',
      ...(id === undefined ? {} : { id }),
      code,
      message,
      ...(retryAfter ? { retryAfter } : {}),
    });
  }

  /** A client that does not read is closed rather than kept in memory; everything it missed can be resumed. */
  #sendText(text: string): void {
    if (!this.#isOpen()) return;
    if (this.#leavesTooMuch()) {
      this.parts.metrics.add('slow_consumers_total');
      return this.socket.terminate();
    }
    this.socket.send(text);
    this.parts.metrics.add('frames_sent_total');
  }

  #leavesTooMuch(): boolean {
    const { bufferedAmount } = this.socket;
    if (bufferedAmount <= LIMITS.unreadNoticed) return false;
    return bufferedAmount > LIMITS.unread || (this.#access?.agent.unread ?? 0) > LIMITS.unreadPerAgent;
  }

  /** Says why and closes: for everything that ends a socket which never got, or no longer has, access. */
  #refuse(error: unknown, id?: string): void {
    this.#sendError(error, id);
    const kind = error instanceof DomainError ? error.kind : 'internal';
    this.socket.close(closeCodeOf(kind));
    setTimeout(() => this.socket.terminate(), 1000).unref();
  }

  #leave(agent: Agent): void {
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe();
    this.#subscriptions.clear();
    agent.sockets.delete(this);
  }

  #closed(): void {
    clearTimeout(this.#connectTimer);
    if (!this.#access) return;
    this.#leave(this.#access.agent);
    this.parts.activity.used();
  }
}

/** Refuses a cursor that cannot be served without a gap: of a lost session, beyond its end, or older than what is kept. */
function checkResume({ room, visitor }: Access, { session, after }: Resume): void {
  const stored = room.findSession(visitor, session);
  if (!stored && after > 0) throw new SessionNotFound();
  if (!stored || stored.seq === after) return;
  if (after > stored.seq || room.framesAfter(visitor, session, after)[0]?.seq !== after + 1) throw new ResumeInvalid();
}

function closeCodeOf(kind: string): number {
  if (kind === 'not-found') return CLOSE.notFound;
  if (kind === 'limited') return CLOSE.limited;
  return kind === 'unavailable' || kind === 'internal' ? CLOSE.goingAway : CLOSE.unauthenticated;
}
