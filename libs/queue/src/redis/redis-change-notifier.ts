import type { Redis } from 'ioredis';
import { ChangeNotifier, type Unsubscribe } from '../change-notifier.js';
import { Subscribers } from '../subscribers.js';
import { assertNoticeFits, bestEffort, type CoordinationErrorHandler } from '../supervised.js';

/** Redis pub/sub. ioredis reconnects and subscribes again by itself; every later `ready` means a gap. */
export class RedisChangeNotifier extends ChangeNotifier {
  readonly #subscribers: Subscribers;
  #closed = false;

  constructor(
    private readonly publisher: Redis,
    private readonly subscriber: Redis,
    private readonly prefix: string,
    private readonly onError: CoordinationErrorHandler,
  ) {
    super();
    this.#subscribers = new Subscribers(onError);
    subscriber.on('message', (channel: string, payload: string) => {
      if (channel.startsWith(prefix)) this.#subscribers.deliver(channel.slice(prefix.length), payload);
    });
    subscriber.on('ready', () => this.#subscribers.gap());
  }

  async publish(channel: string, payload = ''): Promise<void> {
    assertNoticeFits(channel, payload);
    await bestEffort(this.publisher.publish(this.prefix + channel, payload), 'publish', this.onError);
  }

  async subscribe(channel: string, handler: (payload: string) => void, onGap?: () => void): Promise<Unsubscribe> {
    const subscriber = { handler, onGap };
    if (this.#subscribers.add(channel, subscriber)) await this.subscriber.subscribe(this.prefix + channel);
    return async () => {
      const last = this.#subscribers.remove(channel, subscriber);
      if (last && !this.#closed) await this.subscriber.unsubscribe(this.prefix + channel);
    };
  }

  /** The connections end with it; whoever still unsubscribes finds nothing to do. */
  close(): void {
    this.#closed = true;
    this.publisher.disconnect();
    this.subscriber.disconnect();
  }
}
