import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, problemOf, toDomainError } from './problem.js';
import { contextOf } from './request-context.js';

/** Every error becomes one problem document here; a 5xx is logged here and nowhere else. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger = new Logger('http');

  catch(error: unknown, host: ArgumentsHost): void {
    // Sockets answer errors in their own protocol.
    if (host.getType() !== 'http') throw error;
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { requestId } = contextOf(request);
    const problem = problemOf(error, requestId);
    if (problem.status >= 500) this.#report(error, request, requestId, problem.status);
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.end(); // a stream that broke: the status is gone already
      return;
    }
    const retryAfter = toDomainError(error)?.retryAfter;
    if (retryAfter !== undefined) void reply.header('retry-after', String(Math.ceil(retryAfter)));
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
    void reply
      .status(problem.status)
      .header('content-type', PROBLEM_TYPE)
      .header('cache-control', 'no-store')
      .send(problem);
  }

  #report(error: unknown, request: FastifyRequest, requestId: string, status: number): void {
    const route = request.routeOptions?.url ?? 'unknown';
    this.#logger.error({ msg: 'request failed', err: error, requestId, method: request.method, route, status });
  }
}
