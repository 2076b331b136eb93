import { Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { ProblemFilter } from './problem.filter.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import { createValidationPipe } from './validation.pipe.js';

/**
 * What every HTTP request passes through: problem documents, validation, rate limit, idempotency keys.
 *
 * app.module.ts must provide globally: ControlPlaneConfig, Database, Clock, Counters (of the Coordination), Vault.
 * setup.ts must: create the app with `createHttpAdapter()` and `new NestLogger(logger)`, call `serveOpenApi(app, version)`
 * before `app.init()`. Who is calling comes from IdentityModule's guard.
 */
@Module({
  providers: [
    IdempotencyRepository,
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_PIPE, useFactory: createValidationPipe },
    // In this order: a request over the limit does not claim its key.
    { provide: APP_INTERCEPTOR, useClass: RateLimitInterceptor },
    { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
  ],
})
export class HttpEdgeModule {}
