import type { WebSocket } from 'ws';
import { toProblem } from '#libs/kernel';
import { InvalidRequest } from '../http/http.errors.js';
import { ScopeMissing } from '../identity/identity.errors.js';
import { grants, type Principal } from '../identity/principal.js';
import { type EventCursor, formatCursor } from './event-cursor.js';
import { EVENT_CLOSE, EVENT_LIMITS, type EventServerFrame, parseSubscribe, type Subscription } from './event-frames.js';
import type { OutboxReader } from './outbox.reader.js';

/** One console's socket: its topics, its place in the outbox, and one read at a time. */
export class EventClient {
  #topics: readonly string[] = [];
  #cursor: EventCursor | undefined;
  /** Rises with every subscription, so that a read begun before is dropped. */
  #epoch = 0;
  #reading = false;
  #again = false;
  #answered = true;

  constructor(
    private readonly socket: WebSocket,
    private readonly principal: Principal,
    private readonly reader: OutboxReader,
    private readonly onError: (error: unknown) => void,
  ) {
    socket.on('pong', () => (this.#answered = true));
  }

  /** Never rejects: what is wrong with a frame is told to the client. */
  async receive(text: string): Promise<void> {
    try {
      const parsed = parseSubscribe(text);
      if ('errors' in parsed) throw new InvalidRequest(parsed.errors);
      await this.#subscribe(parsed);
    } catch (error) {
      const { code, detail, errors, status } = toProblem(error);
      if (status >= 500) this.onError(error);
      this.#send({ type: 'error', code, message: detail, ...(errors ? { errors } : {}) });
    }
  }

  /** Sends what is new. A call during a read leads to another read after it. Never rejects. */
  async pump(): Promise<void> {
    this.#again = true;
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#again && this.socket.readyState === this.socket.OPEN) {
        this.#again = false;
        await this.#readAll();
      }
    } catch (error) {
      this.onError(error); // the next poll tries again from the same cursor
    } finally {
      this.#reading = false;
    }
  }

  /** False when the client did not answer the last ping. */
  ping(): boolean {
    if (!this.#answered) return false;
    this.#answered = false;
    this.socket.ping();
    return true;
  }

  end(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  terminate(): void {
    this.socket.terminate();
  }

  async #subscribe(subscription: Subscription): Promise<void> {
    const scopes = this.principal.kind === 'operator' ? this.principal.scopes : [];
    const missing = subscription.topics.find((topic) => !grants(scopes, `${topic}:read`));
    if (missing !== undefined) throw new ScopeMissing(`${missing}:read`);
    const cursor = subscription.after ?? (await this.reader.tail());
    this.#epoch += 1;
    this.#topics = subscription.topics;
    this.#cursor = cursor;
    this.#send({ type: 'subscribed', cursor: formatCursor(cursor) });
    await this.pump();
  }

  async #readAll(): Promise<void> {
    for (let more = true; more && this.#cursor;) {
      const epoch = this.#epoch;
      const events = await this.reader.read(this.#cursor, this.#topics, EVENT_LIMITS.batch);
      if (epoch !== this.#epoch || this.socket.readyState !== this.socket.OPEN) return;
      for (const { cursor, topic, aggregateId, tenantId, type, data, at } of events)
        this.#send({
          type: 'event',
          cursor: formatCursor(cursor),
          topic,
          id: aggregateId,
          tenantId,
          event: type,
          data,
          at: at.toISOString(),
        });
      this.#cursor = events.at(-1)?.cursor ?? this.#cursor;
      more = events.length === EVENT_LIMITS.batch;
    }
  }

  #send(frame: EventServerFrame): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    this.socket.send(JSON.stringify(frame));
    if (this.socket.bufferedAmount > EVENT_LIMITS.backlog)
      this.end(EVENT_CLOSE.slow, 'too slow, come back with your cursor');
  }
}
