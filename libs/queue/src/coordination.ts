import type { ChangeNotifier } from './change-notifier.js';
import type { Counters } from './counters.js';
import type { CoordinationErrorHandler } from './supervised.js';
import type { WakeQueue } from './wake-queue.js';

export interface CoordinationOptions {
  /** Used when there is no Redis. The role needs CREATE on the database: the queue and the counters get schemas of their own. */
  readonly databaseUrl: string;
  readonly redisUrl?: string | undefined;
  /** Separates installations that share one Redis. */
  readonly namespace?: string;
  /** Learns of failures that callers do not see; log them. */
  readonly onError: CoordinationErrorHandler;
}

/** Wake-ups, change notices and counters. Nothing in here is the truth: flushing it loses no state. */
export abstract class Coordination {
  abstract readonly store: 'postgres' | 'redis';
  abstract readonly notifier: ChangeNotifier;
  abstract readonly wakes: WakeQueue;
  abstract readonly counters: Counters;
  /** Resolves when the store answers; rejects with CoordinationUnavailable. */
  abstract ping(): Promise<void>;
  /** Ends consumers, subscriptions and connections. */
  abstract close(): Promise<void>;
}
