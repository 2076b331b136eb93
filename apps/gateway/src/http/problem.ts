import { DomainError, statusOf, toProblem } from '#libs/kernel';
import { PROBLEM_HEADER } from '#libs/contracts';
import type { Logger } from '#libs/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayBusy } from '../control/control.errors.js';
import { BodyTooLarge, MessageLimitReached, RequestInvalid, RouteNotFound } from '../errors.js';
import { rateLimitHeaders } from './rate-limit.headers.js';

/** Fastify's own refusals, in our words. */
function translate(error: unknown, limit: number): unknown {
  if (error instanceof DomainError) return error;
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new BodyTooLarge(limit);
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new RequestInvalid('Send the body as application/json.', undefined, { cause: error });
  }
  if (
    error instanceof SyntaxError ||
    code === 'FST_ERR_CTP_EMPTY_JSON_BODY' ||
    code === 'FST_ERR_CTP_INVALID_JSON_BODY'
  ) {
    return new RequestInvalid('The body is not valid JSON.', undefined, { cause: error });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new RequestInvalid('The request is not valid HTTP for this interface.', undefined, { cause: error });
  }
  return error;
}

export function sendProblem(reply: FastifyReply, error: unknown, instance: string): FastifyReply {
  const problem = toProblem(error, instance);
  // The proxy decides by the code without reading bodies: an agent that is not here means that its route is old.
  void reply.header(PROBLEM_HEADER, problem.code);
  if (error instanceof DomainError && error.retryAfter !== undefined)
    void reply.header('retry-after', String(error.retryAfter));
  if (error instanceof MessageLimitReached) void reply.headers(rateLimitHeaders(error.rate));
  if (error instanceof DomainError && error.kind === 'unauthenticated') void reply.header('www-authenticate', 'Bearer');
  const members = error instanceof GatewayBusy ? { reasons: error.reasons } : {};
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify({ ...problem, ...members }));
}

/** Every error of a listener becomes a problem document; a fault of ours is logged once, here. */
export function answerProblems(app: FastifyInstance, logger: Logger, bodyLimit: number): void {
  const instanceOf = (request: FastifyRequest) => request.url.split('?')[0]!;
  app.setErrorHandler((error, request, reply) => {
    // The client has gone: nobody reads an answer, and nothing is wrong with us.
    if (reply.raw.destroyed) return reply;
    const known = translate(error, bodyLimit);
    const status = known instanceof DomainError ? statusOf(known.kind) : 500;
    if (status === 500)
      logger.error({ err: error, method: request.method, path: instanceOf(request) }, 'request failed');
    return sendProblem(reply, known, instanceOf(request));
  });
  app.setNotFoundHandler((request, reply) => sendProblem(reply, new RouteNotFound(), instanceOf(request)));
}
