import { HttpException } from '@nestjs/common';
import { DomainError, type Problem, toProblem } from '#libs/kernel';
import {
  BadRequest,
  BodyTooLarge,
  MalformedJson,
  RouteNotFound,
  STATUS_OF_CODE,
  UnsupportedMediaType,
} from './http.errors.js';
import { HTTP_LIMITS } from './limits.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** The domain's name for whatever Fastify, Nest or a feature threw; undefined for a fault of ours. */
export function toDomainError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const options = { cause: error };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new BodyTooLarge(HTTP_LIMITS.body, options);
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new UnsupportedMediaType(options);
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY' || code === 'FST_ERR_CTP_EMPTY_JSON_BODY')
    return new MalformedJson(options);
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  if (error instanceof SyntaxError && status === 400) return new MalformedJson(options);
  if (status === 404) return new RouteNotFound(options);
  if (status === 413) return new BodyTooLarge(HTTP_LIMITS.body, options);
  if (status === 415) return new UnsupportedMediaType(options);
  return typeof status === 'number' && status >= 400 && status < 500 ? new BadRequest(options) : undefined;
}

/** The problem document of any error, with the request id as `instance`. */
export function problemOf(error: unknown, requestId?: string): Problem {
  const known = toDomainError(error);
  const problem = toProblem(known, requestId && `urn:wirebot:request:${requestId}`);
  const status = STATUS_OF_CODE[problem.code];
  return status === undefined ? problem : { ...problem, status };
}
