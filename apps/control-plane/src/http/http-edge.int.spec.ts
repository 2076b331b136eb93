import { Body, Controller, Get, Header, HttpCode, Post, Put, Query, Res } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsEmail, IsIn, IsOptional, ValidateNested } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { delay, DomainError } from '#libs/kernel';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { Public, RequireScopes } from '../identity/decorators.js';
import { IdentityModule } from '../identity/identity.module.js';
import { decodeCursor, PageQuery } from './cursor.js';
import { HttpEdgeModule } from './http-edge.module.js';
import { serveOpenApi } from './openapi.js';
import { currentRequest } from './request-context.js';
import { startTestApp, type TestApp } from './test-app.fixture.js';

class EngineDown extends DomainError {
  readonly code = 'engine-down';
  readonly kind = 'unavailable';
  override readonly retryAfter = 7;
}
class NotYet extends DomainError {
  readonly code = 'not-yet';
  readonly kind = 'conflict';
}

class WorkspaceDto {
  @ApiProperty({ enum: ['idea', 'launch'] })
  @IsIn(['idea', 'launch'])
  stage: string;
}
class ThingDto {
  @ApiProperty()
  @IsEmail()
  email: string;

  @ApiProperty({ type: WorkspaceDto, required: false })
  @IsOptional()
  @ValidateNested()
  @Type(() => WorkspaceDto)
  workspace?: WorkspaceDto;
}

let runs = 0;
let next: () => Promise<unknown> = async () => ({ run: runs });

@Controller('v1/things')
@RequireScopes('things:write')
class ThingsController {
  @Post()
  @HttpCode(202)
  async create(@Body() body: ThingDto, @Res({ passthrough: true }) reply: FastifyReply) {
    runs += 1;
    void reply.header('location', `/v1/things/${runs}`);
    return { email: body.email, answer: await next() };
  }
  @Put()
  @HttpCode(204)
  replace(): void {
    runs += 1;
  }
  @Get()
  list(@Query() query: PageQuery) {
    return { limit: query.limit, after: decodeCursor(query.cursor, 1) };
  }
  @Get('context')
  @Header('x-kept', 'yes')
  async context() {
    await delay(1);
    return { requestId: currentRequest()?.requestId };
  }
  @Post('context')
  contextAfterBody() {
    return { requestId: currentRequest()?.requestId };
  }
}

@Controller('boom')
@Public()
class BoomController {
  @Get('bug')
  bug(): never {
    throw new TypeError('cannot read password hunter22 of undefined');
  }
  @Get('down')
  down(): never {
    throw new EngineDown('The engine is down. Start it.');
  }
  @Get('undeclared-is-public-here')
  fine() {
    return {};
  }
}

let test: TestApp;
let key: string;
let otherKey: string;

const send = (method: 'GET' | 'POST' | 'PUT', url: string, body?: unknown, headers: Record<string, string> = {}) =>
  test.app.inject({
    method,
    url,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
const good = { email: 'a@example.com' };
const idempotent = (value: string) => ({ 'idempotency-key': value });

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule], {
    controllers: [ThingsController, BoomController],
    environment: { WIREBOT_REQUESTS_PER_MINUTE: '200' },
    prepare: (app) => serveOpenApi(app, '1.2.3'),
  });
  ({ key } = await test.seedTenant('acme'));
  ({ key: otherKey } = await test.seedTenant('other'));
});
afterAll(() => test.close());
beforeEach(() => {
  runs = 0;
  next = async () => ({ run: runs });
});

describe('errors', () => {
  it.each([
    ['malformed JSON', '{"email":', {}, 400, 'malformed-json'],
    ['an empty JSON body', '', { 'content-type': 'application/json' }, 400, 'malformed-json'],
    ['a body over 1 MiB', JSON.stringify({ email: 'x'.repeat(1_100_000) }), {}, 413, 'body-too-large'],
    ['a poisoned prototype', '{"email":"a@example.com","__proto__":{"admin":true}}', {}, 400, 'malformed-json'],
    [
      'a form',
      'email=a%40example.com',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'unsupported-media-type',
    ],
    ['plain text', '{}', { 'content-type': 'text/plain' }, 415, 'unsupported-media-type'],
    ['another content type', '<a/>', { 'content-type': 'application/xml' }, 415, 'unsupported-media-type'],
  ])('answer %s with a problem', async (_name, body, headers, status, code) => {
    const answer = await send('POST', '/v1/things', body, headers);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ status, code, type: `urn:wirebot:problem:${code}` });
    expect(runs).toBe(0);
  });

  it('answer an unknown address with 404', async () => {
    const answer = await send('GET', '/v1/nothing');
    expect(answer.json()).toMatchObject({ status: 404, code: 'not-found' });
  });

  it('name the fields of an invalid request and never their values', async () => {
    const answer = await send('POST', '/v1/things', {
      email: 'value-one',
      workspace: { stage: 'value-two' },
      extra: 'value-three',
    });
    expect(answer.statusCode).toBe(400);
    const problem = answer.json<{ code: string; errors: { field: string; message: string }[] }>();
    expect(problem.code).toBe('request-invalid');
    expect(problem.errors.map((error) => error.field).toSorted()).toEqual(['email', 'extra', 'workspace.stage']);
    expect(answer.body).not.toMatch(/value-(one|two|three)/);
  });

  it('hide what went wrong inside and log it once', async () => {
    const before = test.logs.length;
    const answer = await send('GET', '/boom/bug', undefined, { 'x-request-id': 'req-12345678' });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ code: 'internal-error', instance: 'urn:wirebot:request:req-12345678' });
    expect(answer.body).not.toContain('hunter22');
    const lines = test.logs.slice(before).filter((line) => line['level'] === 'error');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ msg: 'request failed', requestId: 'req-12345678', route: '/boom/bug' });
  });

  it('say when to come back', async () => {
    const answer = await send('GET', '/boom/down');
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('7');
  });
});

describe('a request', () => {
  it('carries its id through asynchronous work, before and after its body is read', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `request-${i}`);
    const answers = await Promise.all(
      ids.map((id, i) =>
        send(i % 2 ? 'GET' : 'POST', '/v1/things/context', i % 2 ? undefined : {}, { 'x-request-id': id }),
      ),
    );
    expect(answers.map((answer) => answer.json<{ requestId: string }>().requestId)).toEqual(ids);
    expect(answers.map((answer) => answer.headers['x-request-id'])).toEqual(ids);
  });

  it('gets an id of ours when its own is not harmless', async () => {
    const answer = await send('GET', '/v1/things/context', undefined, { 'x-request-id': 'a b"c' });
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('with a forged cursor or a limit out of range is refused', async () => {
    for (const query of ['cursor=abc', 'cursor=WzFd', 'limit=0', 'limit=9999', 'limit=x', 'unknown=1'])
      expect((await send('GET', `/v1/things?${query}`)).json()).toMatchObject({ code: 'request-invalid' });
    expect((await send('GET', '/v1/things?limit=7')).json()).toMatchObject({ limit: 7 });
  });
});

describe('text that no database keeps', () => {
  it('is refused by name wherever it comes from, and so is endless nesting', async () => {
    const cursor = Buffer.from(JSON.stringify(['a\u0000'])).toString('base64url');
    const endless = `{"email":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const answers = [
      await send('POST', '/v1/things', { email: 'a\u0000@example.com' }),
      await send('POST', '/v1/things', { email: '\ud800@example.com' }, idempotent('k-half')),
      await send('POST', '/v1/things', endless, idempotent('k-endless')),
      await send('GET', '/v1/things?cursor=a%00b'),
      await send('GET', `/v1/things?cursor=${cursor}`),
    ];
    expect(answers.map((answer) => answer.json<{ code: string }>().code)).toEqual(answers.map(() => 'request-invalid'));
    const fields = answers.map((answer) => answer.json<{ errors: { field: string }[] }>().errors[0]?.field);
    expect(fields).toEqual(['email', 'email', 'email', 'cursor', 'cursor']);
    expect(runs).toBe(0);
  });
});

describe('Idempotency-Key', () => {
  it('answers a repeat with the stored status, headers and body, and does the work once', async () => {
    const first = await send('POST', '/v1/things', good, idempotent('k-1'));
    const second = await send('POST', '/v1/things', { email: 'a@example.com' }, idempotent('k-1'));
    expect(first.statusCode).toBe(202);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect([second.statusCode, second.headers['location'], second.body]).toEqual([
      202,
      first.headers['location'],
      first.body,
    ]);
    expect(runs).toBe(1);
  });

  it('answers an empty 204 the same again', async () => {
    await send('PUT', '/v1/things', {}, idempotent('k-204'));
    const again = await send('PUT', '/v1/things', {}, idempotent('k-204'));
    expect([again.statusCode, again.body, again.headers['idempotency-replayed']]).toEqual([204, '', 'true']);
    expect(runs).toBe(1);
  });

  it('is of one tenant: who acts for two is never answered for one with what was done for the other', async () => {
    const keys = test.app.get(ApiKeysService, { strict: false });
    const { key: operator } = await keys.issue({ tenantId: null, name: 'ops', scopes: ['*'] });
    const tenants = [await test.seedTenant('first'), await test.seedTenant('second')];
    const act = (tenantId: string) =>
      send('POST', '/v1/things', good, {
        ...idempotent('k-tenants'),
        authorization: `Bearer ${operator}`,
        'wirebot-tenant': tenantId,
      });
    const answers = [];
    for (const { tenantId } of [...tenants, ...tenants]) answers.push(await act(tenantId));
    expect(answers.map(({ headers }) => headers['location'])).toEqual([1, 2, 1, 2].map((run) => `/v1/things/${run}`));
    expect(runs).toBe(2);
  });

  it('refuses another body or address under the same key', async () => {
    await send('POST', '/v1/things', good, idempotent('k-2'));
    const answer = await send('POST', '/v1/things', { email: 'b@example.com' }, idempotent('k-2'));
    expect(answer.json()).toMatchObject({ status: 409, code: 'idempotency-key-reused' });
    expect((await send('PUT', '/v1/things', good, idempotent('k-2'))).statusCode).toBe(409);
    expect(runs).toBe(1);
  });

  it('belongs to one caller: another one starts afresh', async () => {
    await send('POST', '/v1/things', good, idempotent('k-3'));
    const answer = await send('POST', '/v1/things', good, {
      ...idempotent('k-3'),
      authorization: `Bearer ${otherKey}`,
    });
    expect(answer.headers['idempotency-replayed']).toBeUndefined();
    expect(runs).toBe(2);
  });

  it('lets one of 20 simultaneous requests do the work and tells the others to wait', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    next = () => gate;
    let waiting = 0;
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const answer = await send('POST', '/v1/things', good, idempotent('k-race'));
        waiting += 1;
        if (waiting === 19) release();
        return answer;
      }),
    );
    expect(runs).toBe(1);
    expect(answers.filter((answer) => answer.statusCode === 202)).toHaveLength(1);
    const refused = answers.filter((answer) => answer.statusCode === 409);
    expect(refused).toHaveLength(19);
    expect(refused.every((answer) => answer.json<{ code: string }>().code === 'idempotency-in-progress')).toBe(true);
    expect(refused[0]!.headers['retry-after']).toBe('1');
  });

  it('keeps a refusal and replays it as a problem', async () => {
    next = () => Promise.reject(new NotYet('It is not active. Activate it.'));
    const first = await send('POST', '/v1/things', good, idempotent('k-409'));
    next = async () => 'fine now';
    const second = await send('POST', '/v1/things', good, idempotent('k-409'));
    expect(first.json()).toMatchObject({ code: 'not-yet' });
    expect(second.body).toBe(first.body);
    expect(second.headers['content-type']).toContain('application/problem+json');
    expect(runs).toBe(1);
  });

  it('does not keep a fault of ours, nor an answer that says when to come back', async () => {
    next = () => Promise.reject(new Error('bug'));
    expect((await send('POST', '/v1/things', good, idempotent('k-500'))).statusCode).toBe(500);
    next = () => Promise.reject(new EngineDown('Down.'));
    expect((await send('POST', '/v1/things', good, idempotent('k-500'))).statusCode).toBe(503);
    next = async () => 'fine now';
    const third = await send('POST', '/v1/things', good, idempotent('k-500'));
    expect([third.statusCode, runs]).toEqual([202, 3]);
  });

  it('is taken over a minute after its process died, by one request only', async () => {
    let release: (value: string) => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      next = () => {
        resolve();
        return new Promise<string>((finish) => (release = finish));
      };
    });
    const died = send('POST', '/v1/things', good, idempotent('k-died'));
    died.catch(() => undefined); // an injected request starts when it is first awaited
    await started;
    next = async () => 'taken over';
    test.clock.advance(30_000);
    expect((await send('POST', '/v1/things', good, idempotent('k-died'))).json()).toMatchObject({
      code: 'idempotency-in-progress',
    });
    test.clock.advance(31_000);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => send('POST', '/v1/things', good, idempotent('k-died'))),
    );
    expect(answers.some((answer) => answer.json<{ answer?: string }>().answer === 'taken over')).toBe(true);
    expect(runs).toBe(2);
    release('too late');
    await died;
    const stored = await send('POST', '/v1/things', good, idempotent('k-died'));
    expect(stored.json()).toMatchObject({ answer: 'taken over' });
  });

  it('ends after 24 hours', async () => {
    await send('POST', '/v1/things', good, idempotent('k-old'));
    test.clock.advance(24 * 3_600_000 + 1);
    expect(
      (await send('POST', '/v1/things', good, idempotent('k-old'))).headers['idempotency-replayed'],
    ).toBeUndefined();
    expect(runs).toBe(2);
  });

  it('must be short and visible', async () => {
    const answer = await send('POST', '/v1/things', good, idempotent('x'.repeat(256)));
    expect(answer.json()).toMatchObject({ code: 'request-invalid', errors: [{ field: 'Idempotency-Key' }] });
  });

  it('keeps no answer in plain text', async () => {
    next = async () => 'a-very-secret-token';
    await send('POST', '/v1/things', good, idempotent('k-sealed'));
    const rows = await test.database.query(`SELECT * FROM idempotency_keys WHERE key = 'k-sealed'`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain('a-very-secret-token');
  });
});

describe('the OpenAPI document', () => {
  it('is served with title, version, security scheme and problem schema', async () => {
    const document = (await test.app.inject('/openapi.json')).json<Record<string, never>>();
    expect(document).toMatchObject({
      openapi: expect.stringMatching(/^3\./),
      info: { title: 'Wirebot', version: '1.2.3' },
      components: { securitySchemes: { apiKey: { scheme: 'bearer' } }, schemas: { Problem: { type: 'object' } } },
      paths: { '/v1/things': { post: { responses: { default: expect.anything() } } } },
    });
  });
});

describe('the rate limit', () => {
  it('is told in headers and ends in 429 for that key alone', async () => {
    const { key: limited } = await test.seedTenant('limited');
    const call = (with_: string) => send('GET', '/v1/things', undefined, { authorization: `Bearer ${with_}` });
    const first = await call(limited);
    expect(first.headers['ratelimit-policy']).toBe('"default";q=200;w=60');
    expect(first.headers['ratelimit']).toMatch(/^"default";r=199;t=\d+$/);
    const more = await Promise.all(Array.from({ length: 200 }, () => call(limited)));
    const refused = more.filter((answer) => answer.statusCode === 429);
    expect(refused).toHaveLength(1);
    expect(refused[0]!.json()).toMatchObject({ code: 'rate-limited' });
    expect(Number(refused[0]!.headers['retry-after'])).toBeGreaterThan(0);
    expect((await call(otherKey)).statusCode).toBe(200);
  });
});
