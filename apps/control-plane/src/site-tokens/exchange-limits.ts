import { Injectable, Logger } from '@nestjs/common';
import { Counters } from '#libs/queue';
import { RateLimited } from '../http/http.errors.js';

const WINDOW_SECONDS = 60;
/** Exchanges of one address for one tenant, and for all tenants, in a minute. */
const PER_TENANT = 60;
const PER_ADDRESS = 120;

/** How often an address may exchange. When the counters do not answer, it may: no secret is guessed in any number of tries. */
@Injectable()
export class ExchangeLimits {
  readonly #logger = new Logger('token-exchange');

  constructor(private readonly counters: Counters) {}

  /** Throws RateLimited. */
  async count(address: string, tenant: string): Promise<void> {
    await this.#consume(`token-exchange:${address}`, PER_ADDRESS);
    await this.#consume(`token-exchange:${address}:${tenant}`, PER_TENANT);
  }

  async #consume(key: string, limit: number): Promise<void> {
    let result;
    try {
      result = await this.counters.consume(key, limit, WINDOW_SECONDS);
    } catch (err) {
      this.#logger.warn({ msg: 'token exchange not counted', err });
      return;
    }
    if (!result.allowed) throw new RateLimited(result.resetSeconds);
  }
}
