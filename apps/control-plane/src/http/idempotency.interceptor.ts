import { createHmac } from 'node:crypto';
import { type CallHandler, type ExecutionContext, Injectable, Logger, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { firstValueFrom, from, type Observable } from 'rxjs';
import { actorOf, type Principal } from '../identity/principal.js';
import { PlatformKeys } from '../secrets/platform-keys.js';
import { InvalidRequest } from './http.errors.js';
import { type Claim, IdempotencyRepository, type StoredAnswer } from './idempotency.repository.js';
import { PROBLEM_TYPE, problemOf, toDomainError } from './problem.js';
import { contextOf } from './request-context.js';

const MUTATIONS = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
/** Headers of an answer that a repeated request gets again. */
const KEPT_HEADERS = ['location', 'etag', 'content-type'] as const;
const CLEAN_EVERY = 500;

/** JSON with sorted keys: two bodies that mean the same hash the same. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
}

/** Keyed: bodies may hold short secrets, which a plain hash in the database would let somebody guess. */
const hashOf = (secret: Buffer, request: FastifyRequest): string =>
  createHmac('sha256', secret)
    .update(`${request.method} ${request.url}\n${canonicalJson(request.body)}`)
    .digest('hex');

/**
 * Whose keys they are: the caller's, for each tenant apart. A header says which tenant a call is for, so to who acts for
 * several the same address and body mean another thing in each.
 */
function scopeOf(principal: Principal): string {
  const tenantId = 'tenantId' in principal ? principal.tenantId : undefined;
  return tenantId === undefined ? actorOf(principal) : `${actorOf(principal)}@${tenantId}`;
}

/** `Idempotency-Key` on every mutation of an authenticated caller, for 24 hours. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  readonly #logger = new Logger('idempotency');
  readonly #secret: Buffer;
  #claims = 0;

  constructor(
    private readonly keys: IdempotencyRepository,
    platformKeys: PlatformKeys,
  ) {
    this.#secret = platformKeys.derive('idempotency');
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const { principal } = contextOf(request);
    const key = request.headers['idempotency-key'];
    if (key === undefined || !principal || !MUTATIONS.has(request.method)) return next.handle();
    if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
      throw new InvalidRequest([
        { field: 'Idempotency-Key', message: 'Idempotency-Key must be 1 to 255 visible ASCII characters' },
      ]);
    return from(this.#serve(scopeOf(principal), key, request, reply, next));
  }

  async #serve(
    scope: string,
    key: string,
    request: FastifyRequest,
    reply: FastifyReply,
    next: CallHandler,
  ): Promise<unknown> {
    const claimed = await this.keys.claim(scope, key, hashOf(this.#secret, request));
    if ('answer' in claimed) return replay(claimed.answer, reply);
    await this.#cleanSometimes();
    try {
      const body: unknown = await firstValueFrom(next.handle(), { defaultValue: undefined });
      await this.#store(claimed.claim, { status: reply.statusCode, headers: keptHeaders(reply), body });
      return body;
    } catch (error) {
      await this.#storeFailure(claimed.claim, error, contextOf(request).requestId);
      throw error;
    }
  }

  /** An answer that another try could better is not kept: a fault of ours, or one that says when to come back. */
  async #storeFailure(claim: Claim, error: unknown, requestId: string): Promise<void> {
    const problem = problemOf(error, requestId);
    if (problem.status >= 500 || toDomainError(error)?.retryAfter !== undefined) {
      await this.#bestEffort(this.keys.release(claim));
      return;
    }
    await this.#store(claim, { status: problem.status, headers: { 'content-type': PROBLEM_TYPE }, body: problem });
  }

  /** The work is done whether or not its answer could be kept; a repeat then does it again. */
  async #store(claim: Claim, answer: StoredAnswer): Promise<void> {
    await this.#bestEffort(this.keys.finish(claim, answer));
  }

  async #cleanSometimes(): Promise<void> {
    this.#claims += 1;
    if (this.#claims % CLEAN_EVERY === 1) await this.#bestEffort(this.keys.clean());
  }

  async #bestEffort(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (err) {
      this.#logger.warn({ msg: 'idempotency key not updated', err });
    }
  }
}

function keptHeaders(reply: FastifyReply): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined) kept[name] = String(value);
  }
  return kept;
}

function replay(answer: StoredAnswer, reply: FastifyReply): unknown {
  void reply.status(answer.status).headers(answer.headers).header('idempotency-replayed', 'true');
  return answer.body ?? undefined;
}
