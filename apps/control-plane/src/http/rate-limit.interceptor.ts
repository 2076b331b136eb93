import { type CallHandler, type ExecutionContext, Injectable, Logger, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, type Observable, switchMap } from 'rxjs';
import { ControlPlaneConfig } from '#libs/config';
import { type CounterResult, Counters } from '#libs/queue';
import { actorOf } from '../identity/principal.js';
import { RateLimited } from './http.errors.js';
import { contextOf } from './request-context.js';

const WINDOW_SECONDS = 60;

/**
 * Requests per caller and minute, told in the fields of draft-ietf-httpapi-ratelimit-headers. When the counters do not
 * answer, requests pass: the limit protects the platform, and is no reason to stop it.
 */
@Injectable()
export class RateLimitInterceptor implements NestInterceptor {
  readonly #logger = new Logger('rate-limit');

  constructor(
    private readonly counters: Counters,
    private readonly config: ControlPlaneConfig,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const http = context.switchToHttp();
    const { principal } = contextOf(http.getRequest<FastifyRequest>());
    // The proxy's long poll and unauthenticated routes have limits of their own.
    if (!principal || principal.kind === 'proxy') return next.handle();
    const counted = this.#count(actorOf(principal), http.getResponse<FastifyReply>());
    return from(counted).pipe(switchMap(() => next.handle()));
  }

  async #count(actor: string, reply: FastifyReply): Promise<void> {
    const limit = this.config.requestsPerMinute;
    const result = await this.#consume(`api:${actor}`, limit);
    if (!result) return;
    void reply.header('ratelimit-policy', `"default";q=${limit};w=${WINDOW_SECONDS}`);
    void reply.header('ratelimit', `"default";r=${result.remaining};t=${result.resetSeconds}`);
    if (!result.allowed) throw new RateLimited(result.resetSeconds);
  }

  async #consume(key: string, limit: number): Promise<CounterResult | undefined> {
    try {
      return await this.counters.consume(key, limit, WINDOW_SECONDS);
    } catch (err) {
      this.#logger.warn({ msg: 'rate limit not counted', err });
      return undefined;
    }
  }
}
