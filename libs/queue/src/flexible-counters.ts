import { createHash } from 'node:crypto';
import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { type CounterResult, Counters } from './counters.js';
import { withinTimeout } from './supervised.js';

/** Longer keys are hashed: the PostgreSQL table holds 255 characters with the prefix. */
const MAX_KEY_LENGTH = 180;
const fit = (key: string) => (key.length <= MAX_KEY_LENGTH ? key : createHash('sha256').update(key).digest('hex'));

/** Counters over rate-limiter-flexible; the store is the factory's. Limits come from code and tiers, so there are few limiters. */
export class FlexibleCounters extends Counters {
  readonly #limiters = new Map<string, RateLimiterAbstract>();

  constructor(private readonly create: (points: number, duration: number) => RateLimiterAbstract) {
    super();
  }

  async consume(key: string, limit: number, windowSeconds: number): Promise<CounterResult> {
    const outcome = await withinTimeout(
      this.#consume(this.#limiter(limit, windowSeconds), `${windowSeconds}:${fit(key)}`),
    );
    return {
      allowed: outcome.consumedPoints <= limit,
      remaining: Math.max(0, limit - outcome.consumedPoints),
      resetSeconds: Math.max(1, Math.ceil(outcome.msBeforeNext / 1000)),
    };
  }

  async #consume(limiter: RateLimiterAbstract, key: string): Promise<RateLimiterRes> {
    try {
      return await limiter.consume(key);
    } catch (refusal) {
      // The library rejects with the result itself when the limit is passed; anything else is a failure.
      if (refusal instanceof RateLimiterRes) return refusal;
      throw refusal;
    }
  }

  #limiter(limit: number, windowSeconds: number): RateLimiterAbstract {
    const name = `${limit}/${windowSeconds}`;
    const known = this.#limiters.get(name);
    if (known) return known;
    const made = this.create(limit, windowSeconds);
    this.#limiters.set(name, made);
    return made;
  }
}
