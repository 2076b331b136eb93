import { BadRequestException, ForbiddenException, NotFoundException } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { DomainError } from '#libs/kernel';
import { PreconditionFailed, RateLimited, UnsupportedMediaType } from './http.errors.js';
import { problemOf } from './problem.js';

class GatewayGone extends DomainError {
  readonly code = 'gateway-gone';
  readonly kind = 'not-found';
}
const fastify = (code: string, statusCode: number) => Object.assign(new Error('inner text'), { code, statusCode });

describe('problemOf', () => {
  it.each([
    [new GatewayGone('It is gone. Make a new one.'), 404, 'gateway-gone'],
    [new UnsupportedMediaType(), 415, 'unsupported-media-type'],
    [new PreconditionFailed(), 412, 'precondition-failed'],
    [new RateLimited(3), 429, 'rate-limited'],
    [fastify('FST_ERR_CTP_BODY_TOO_LARGE', 413), 413, 'body-too-large'],
    [fastify('FST_ERR_CTP_INVALID_JSON_BODY', 400), 400, 'malformed-json'],
    [fastify('FST_ERR_CTP_INVALID_CONTENT_LENGTH', 400), 400, 'bad-request'],
    [new NotFoundException('Cannot GET /secret-path'), 404, 'not-found'],
    [new BadRequestException('inner text'), 400, 'bad-request'],
    [new ForbiddenException('inner text'), 400, 'bad-request'],
    [new TypeError('inner text'), 500, 'internal-error'],
    [fastify('FST_ERR_REP_ALREADY_SENT', 500), 500, 'internal-error'],
    ['a thrown string', 500, 'internal-error'],
    [undefined, 500, 'internal-error'],
  ])('maps %s to %i %s and repeats no foreign text', (error, status, code) => {
    const problem = problemOf(error, 'r1');
    expect(problem).toMatchObject({ status, code, instance: 'urn:wirebot:request:r1' });
    expect(JSON.stringify(problem)).not.toMatch(/inner text|secret-path|thrown string/);
  });
});
