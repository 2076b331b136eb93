export interface CounterResult {
  readonly allowed: boolean;
  readonly remaining: number;
  /** Seconds until the window ends, at least 1. */
  readonly resetSeconds: number;
}

/** Counts events per key in fixed windows; atomic across processes. Rejects with CoordinationUnavailable when the store is down. */
export abstract class Counters {
  /** Counts one event. `allowed` is false from the `limit + 1`th event of a window on. Windows of other lengths count apart. */
  abstract consume(key: string, limit: number, windowSeconds: number): Promise<CounterResult>;
}
