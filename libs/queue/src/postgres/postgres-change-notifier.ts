import type { Pool } from 'pg';
import { ChangeNotifier, type Unsubscribe } from '../change-notifier.js';
import { Subscribers } from '../subscribers.js';
import { assertNoticeFits, bestEffort, type CoordinationErrorHandler } from '../supervised.js';
import { PostgresListener } from './listener.js';

const PREFIX = 'wirebot:';

/** LISTEN/NOTIFY: publishes over the pool, listens on a connection of its own. */
export class PostgresChangeNotifier extends ChangeNotifier {
  readonly #subscribers: Subscribers;
  readonly #listener: PostgresListener;

  constructor(
    private readonly pool: Pool,
    connectionString: string,
    private readonly onError: CoordinationErrorHandler,
  ) {
    super();
    this.#subscribers = new Subscribers(onError);
    this.#listener = new PostgresListener(connectionString, {
      channels: () => this.#subscribers.channels.map((channel) => PREFIX + channel),
      onNotice: (channel, payload) => this.#subscribers.deliver(channel.slice(PREFIX.length), payload),
      onReconnect: () => this.#subscribers.gap(),
      onError,
    });
  }

  async start(): Promise<void> {
    await this.#listener.start();
  }

  async publish(channel: string, payload = ''): Promise<void> {
    assertNoticeFits(channel, payload);
    await bestEffort(this.pool.query('SELECT pg_notify($1, $2)', [PREFIX + channel, payload]), 'publish', this.onError);
  }

  async subscribe(channel: string, handler: (payload: string) => void, onGap?: () => void): Promise<Unsubscribe> {
    const subscriber = { handler, onGap };
    // While the connection is lost this is a no-op: the reconnect listens to every channel there is.
    if (this.#subscribers.add(channel, subscriber)) await this.#listener.listen(PREFIX + channel);
    return async () => {
      if (this.#subscribers.remove(channel, subscriber)) await this.#listener.unlisten(PREFIX + channel);
    };
  }

  async close(): Promise<void> {
    await this.#listener.close();
  }
}
