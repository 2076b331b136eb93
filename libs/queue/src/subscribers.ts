import { type CoordinationErrorHandler, callSafely } from './supervised.js';

interface Subscriber {
  readonly handler: (payload: string) => void;
  readonly onGap: (() => void) | undefined;
}

/** Who listens to which channel; shared by both notifiers. */
export class Subscribers {
  readonly #channels = new Map<string, Set<Subscriber>>();

  constructor(private readonly onError: CoordinationErrorHandler) {}

  get channels(): string[] {
    return [...this.#channels.keys()];
  }

  /** True when the channel had no subscriber before. */
  add(channel: string, subscriber: Subscriber): boolean {
    const existing = this.#channels.get(channel);
    if (existing) {
      existing.add(subscriber);
      return false;
    }
    this.#channels.set(channel, new Set([subscriber]));
    return true;
  }

  /** True when the channel has no subscriber left. */
  remove(channel: string, subscriber: Subscriber): boolean {
    const existing = this.#channels.get(channel);
    if (!existing?.delete(subscriber) || existing.size > 0) return false;
    return this.#channels.delete(channel);
  }

  deliver(channel: string, payload: string): void {
    for (const { handler } of this.#channels.get(channel) ?? [])
      callSafely(() => handler(payload), `notice on ${channel}`, this.onError);
  }

  gap(): void {
    for (const [channel, subscribers] of this.#channels)
      for (const { onGap } of subscribers) if (onGap) callSafely(onGap, `gap on ${channel}`, this.onError);
  }
}
