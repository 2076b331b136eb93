import { backoff, delay } from '#libs/kernel';
import { Client, escapeIdentifier } from 'pg';
import type { CoordinationErrorHandler } from '../supervised.js';

const PING_EVERY_MS = 10_000;
const ANSWER_WITHIN_MS = 5_000;
const RECONNECT = { base: 100, cap: 5_000 } as const;

interface ListenerEvents {
  /** Names of PostgreSQL channels to listen to, asked at every connect. */
  readonly channels: () => string[];
  readonly onNotice: (channel: string, payload: string) => void;
  readonly onReconnect: () => void;
  readonly onError: CoordinationErrorHandler;
}

/**
 * A dedicated connection that LISTENs and comes back by itself. A connection can die without a word (a firewall that
 * drops state), so it is also asked every ten seconds whether it still answers.
 */
export class PostgresListener {
  readonly #closed = new AbortController();
  #client: Client | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly connectionString: string,
    private readonly events: ListenerEvents,
  ) {}

  /** Rejects when the first connection fails; later losses are repaired in the background. */
  async start(): Promise<void> {
    const lost = await this.#connect();
    this.#running = this.#supervise(lost);
  }

  async listen(channel: string): Promise<void> {
    await this.#client?.query(`LISTEN ${escapeIdentifier(channel)}`);
  }

  async unlisten(channel: string): Promise<void> {
    await this.#client?.query(`UNLISTEN ${escapeIdentifier(channel)}`);
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('listener closed'));
    const client = this.#client;
    this.#client = undefined; // whoever still unsubscribes finds nothing to do
    await client?.end();
    await this.#running;
  }

  /** Connects once; resolves with a promise that settles when that connection is lost. */
  async #connect(): Promise<{ lost: Promise<void> }> {
    const client = new Client({
      connectionString: this.connectionString,
      application_name: 'wirebot-notifier',
      connectionTimeoutMillis: ANSWER_WITHIN_MS,
      query_timeout: ANSWER_WITHIN_MS,
      keepAlive: true,
    });
    const lost = new Promise<void>((resolve) => {
      client.on('error', (error) => {
        if (!this.#closed.signal.aborted) this.events.onError(error, 'listen');
        resolve();
      });
      client.on('end', () => resolve());
    });
    client.on('notification', (notice) => this.events.onNotice(notice.channel, notice.payload ?? ''));
    await client.connect();
    for (const channel of this.events.channels()) await client.query(`LISTEN ${escapeIdentifier(channel)}`);
    this.#client = client;
    return { lost };
  }

  async #supervise(first: { lost: Promise<void> }): Promise<void> {
    let current = first;
    while (!this.#closed.signal.aborted) {
      await this.#watch(current.lost);
      if (this.#closed.signal.aborted) return;
      this.#client = undefined;
      const next = await this.#reconnect();
      if (!next) return;
      current = next;
      this.events.onReconnect();
    }
  }

  /** Resolves when the connection is lost, found dead, or the listener closes. */
  async #watch(lost: Promise<void>): Promise<void> {
    const client = this.#client;
    const over = new AbortController();
    void lost.then(() => over.abort());
    const signal = AbortSignal.any([over.signal, this.#closed.signal]);
    while (!signal.aborted) {
      await delay(PING_EVERY_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await client?.query('SELECT 1');
      } catch (error) {
        this.events.onError(error, 'listen');
        // end() would wait for a peer that does not answer; the socket goes with the client.
        void client?.end().catch(() => undefined);
        return;
      }
    }
  }

  async #reconnect(): Promise<{ lost: Promise<void> } | undefined> {
    for (let attempt = 0; !this.#closed.signal.aborted; attempt += 1) {
      try {
        await delay(backoff(attempt, RECONNECT.base, RECONNECT.cap), this.#closed.signal);
        return await this.#connect();
      } catch (error) {
        if (!this.#closed.signal.aborted) this.events.onError(error, 'reconnect');
      }
    }
    return undefined;
  }
}
