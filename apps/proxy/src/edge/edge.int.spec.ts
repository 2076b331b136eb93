import { generateSigningKey } from '#libs/tokens';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { agentRoute, id, Stack, tenantRoute, until } from '../../test/stack.fixture.js';

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack.stop());
beforeEach(() => {
  stack.gateway.requests.length = 0;
  stack.gateway.answer = undefined;
});

const A = id('agt', 'a');
const B = id('agt', 'b');
const X = id('agt', 'x');

const call = (path: string, token?: string, init: RequestInit & { duplex?: 'half' } = {}) =>
  fetch(`${stack.url}${path}`, {
    redirect: 'manual',
    ...init,
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...init.headers },
  });

const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code];

/** Writes bytes as they are and gives back everything until the server closes or falls silent. */
const rawCall = (text: string, silence = 500): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(stack.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setTimeout(silence, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });

const withHost = (host: string, path: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    httpRequest({ port: stack.port, host: '127.0.0.1', path, headers: { host } }, (res) => {
      let body = '';
      res.on('data', (chunk) => (body += chunk));
      res.on('end', () => resolve({ status: res.statusCode!, body }));
    })
      .on('error', reject)
      .end();
  });

describe('tenancy', () => {
  it('finds a tenant by host, whatever its case and port', async () => {
    const { status, body } = await withHost('CHAT.acme.TEST:4100', '/brand.json');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ name: 'acme bot', tenant: 'acme Inc.' });
  });

  it('answers an unknown host with what to do about it', async () => {
    const { status, body } = await withHost('nobody.test', '/chat');
    expect(status).toBe(404);
    expect(JSON.parse(body)).toMatchObject({ code: 'unknown-host', detail: expect.stringContaining('/t/') });
  });

  it('answers an unknown slug in the same way', async () => {
    expect(await codeOf(await call('/t/nobody/'))).toEqual([404, 'unknown-host']);
  });

  it('does not serve another tenant below a host that belongs to one', async () => {
    const { status, body } = await withHost('chat.acme.test', `/t/other/a/${X}/health`);
    expect([status, body.includes('x-gateway')]).toEqual([404, false]);
  });

  it('redirects a slug without a slash and keeps the query', async () => {
    const answer = await call('/t/acme?x=1');
    expect([answer.status, answer.headers.get('location')]).toEqual([308, '/t/acme/?x=1']);
  });

  it('refuses a suspended tenant', async () => {
    stack.version += 1;
    const upsert = [tenantRoute('other', { status: 'suspended' })];
    stack.control.send({
      type: 'delta',
      from: stack.version - 1,
      version: stack.version,
      tenants: { upsert, remove: [] },
    });
    await until(async () => (await call('/t/other/brand.json')).status === 403);
    expect(await codeOf(await call(`/t/other/a/${X}/health`))).toEqual([403, 'tenant-suspended']);
    stack.version += 1;
    stack.control.send({
      type: 'delta',
      from: stack.version - 1,
      version: stack.version,
      tenants: { upsert: [tenantRoute('other')], remove: [] },
    });
    await until(async () => (await call('/t/other/brand.json')).status === 200);
  });

  it("serves its own health, readiness and metrics on nobody's host only", async () => {
    for (const path of ['/health', '/ready', '/metrics']) expect((await call(path)).status).toBe(200);
    expect(await (await call('/metrics')).text()).toContain('wirebot_proxy_agents 3');
    expect((await withHost('chat.acme.test', '/metrics')).status).toBe(404);
  });
});

describe('access to an agent', () => {
  it('passes a valid token on to the gateway of the agent', async () => {
    const token = await stack.token('a');
    const answer = await call(`/t/acme/a/${A}/chat?x=1`, token, { method: 'POST', body: '{"text":"hi"}' });
    const seen = (await answer.json()) as { url: string; bytes: number; headers: Record<string, string> };
    expect(answer.status).toBe(200);
    expect(seen).toMatchObject({ url: `/a/${A}/chat?x=1`, bytes: 13 });
    expect(seen.headers['authorization']).toBe(`Bearer ${token}`);
  });

  it('routes /chat by the token', async () => {
    const answer = await call('/t/acme/chat', await stack.token('b'), { method: 'POST', body: '{}' });
    expect(await answer.json()).toMatchObject({ url: `/a/${B}/chat` });
  });

  it('asks a token of this moment to come again when its route is not here yet, and an older one not', async () => {
    const fresh = await stack.token('newcomer');
    const answer = await call('/t/acme/chat', fresh, { method: 'POST' });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await codeOf(answer)).toEqual([503, 'routes-behind']);
    const older = await stack.token('newcomer', 'acme', { iat: Math.floor(Date.now() / 1000) - 60 });
    expect(await codeOf(await call('/t/acme/chat', older, { method: 'POST' }))).toEqual([404, 'agent-not-found']);
  });

  it.each([
    ['of agent A on agent B', () => stack.token('a'), `/t/acme/a/${B}/chat`, 404, 'agent-not-found'],
    ['of another tenant', () => stack.token('x', 'other'), `/t/acme/a/${A}/chat`, 404, 'agent-not-found'],
    ['on an agent of another tenant', () => stack.token('a'), `/t/acme/a/${X}/chat`, 404, 'agent-not-found'],
    ['of another tenant, by token route', () => stack.token('x', 'other'), '/t/acme/chat', 404, 'agent-not-found'],
    ['on an agent that does not exist', () => stack.token('a'), '/t/acme/a/agt_nope/chat', 404, 'agent-not-found'],
    ['that has expired', () => stack.token('a', 'acme', { exp: 1000 }), `/t/acme/a/${A}/chat`, 401, 'token-expired'],
    ['that is none', () => Promise.resolve('nonsense'), `/t/acme/a/${A}/chat`, 401, 'token-invalid'],
    [
      'of another key',
      async () => stack.token('a', 'acme', {}, await generateSigningKey()),
      `/t/acme/a/${A}/chat`,
      401,
      'token-invalid',
    ],
    [
      'of another issuer',
      () => stack.token('a', 'acme', { iss: 'http://evil.test' }),
      `/t/acme/a/${A}/chat`,
      401,
      'token-invalid',
    ],
  ])('refuses a token %s', async (_name, token, path, status, code) => {
    expect(await codeOf(await call(path, await token(), { method: 'POST', body: '{}' }))).toEqual([status, code]);
    expect(stack.gateway.requests).toHaveLength(0);
  });

  it('lets requests without a token reach health and readiness only', async () => {
    expect((await call(`/t/acme/a/${A}/health`)).status).toBe(200);
    expect((await call(`/t/acme/a/${A}/ready`)).status).toBe(200);
    const refused = await call(`/t/acme/a/${A}/session/s1`);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(await codeOf(refused)).toEqual([401, 'credential-missing']);
    expect(await codeOf(await call('/t/acme/chat', undefined, { method: 'POST', body: '{}' }))).toEqual([
      401,
      'credential-missing',
    ]);
  });

  it('does not tell requests without a token which agents there are', async () => {
    for (const agent of [A, X, 'agt_nope']) {
      expect(await codeOf(await call(`/t/acme/a/${agent}/session/s1`))).toEqual([401, 'credential-missing']);
    }
  });

  it('does not open other paths to requests without a token by way of dot segments', async () => {
    for (const path of ['/health/../chat', '/ready/..%2fchat', '/%2e%2e/%2e%2e/chat', '\\..\\chat']) {
      const answer = await rawCall(`GET /t/acme/a/${A}${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
    }
    expect(stack.gateway.requests).toHaveLength(0);
  });

  it('refuses a token revoked a moment ago, though it was accepted before', async () => {
    const token = await stack.token('a', 'acme', { jti: 'gone' });
    expect((await call(`/t/acme/a/${A}/chat`, token)).status).toBe(200);
    stack.version += 1;
    const until1 = new Date(Date.now() + 60_000).toISOString();
    stack.control.send({
      type: 'delta',
      from: stack.version - 1,
      version: stack.version,
      revocations: [{ tenantId: id('ten', 'acme'), jti: 'gone', until: until1 }],
    });
    await until(async () => (await call(`/t/acme/a/${A}/chat`, token)).status === 401);
    expect(await codeOf(await call(`/t/acme/a/${A}/chat`, token))).toEqual([401, 'token-revoked']);
  });
});

describe('forwarding', () => {
  it('removes what only the proxy may say, and hop-by-hop headers in both directions', async () => {
    const answer = await rawCall(
      [
        `GET /t/acme/a/${A}/chat HTTP/1.1`,
        'Host: 127.0.0.1',
        `Authorization: Bearer ${await stack.token('a')}`,
        'X-Forwarded-For: 6.6.6.6',
        'X-Forwarded-Host: evil.test',
        'Forwarded: for=6.6.6.6',
        'X-Wirebot-Agent: other',
        'X-Request-Id: mine',
        'Cookie: a=b',
        'X-Hop: 1',
        'X-Kept: yes',
        'Connection: close, X-Hop',
        '\r\n',
      ].join('\r\n'),
    );
    const { headers } = stack.gateway.requests[0]!;
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-kept': 'yes',
    });
    expect(headers['x-request-id']).not.toBe('mine');
    for (const name of ['forwarded', 'x-wirebot-agent', 'cookie', 'x-hop']) expect(headers).not.toHaveProperty(name);
    expect(answer).toContain('x-gateway: yes');
    expect(answer.toLowerCase()).not.toContain('x-internal');
  });

  it('delivers the first chunk of a stream while the upstream is still writing', async () => {
    let finish: (() => void) | undefined;
    stack.gateway.answer = (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: 1\n\n');
      finish = () => res.end('data: 2\n\n');
    };
    const answer = await call('/t/acme/chat', await stack.token('a'), { method: 'POST', body: '{}' });
    const reader = answer.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('data: 1\n\n');
    finish!();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('data: 2\n\n');
    expect((await reader.read()).done).toBe(true);
  });

  it('delivers the headers of a stream before its first chunk', async () => {
    stack.gateway.answer = (_req, res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const abort = new AbortController();
    const answer = await call('/t/acme/chat', await stack.token('a'), {
      method: 'POST',
      body: '{}',
      signal: abort.signal,
    });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    abort.abort();
  });

  it('aborts the upstream when the client goes away', async () => {
    stack.gateway.answer = (_req, res) => res.writeHead(200).write('x');
    const abort = new AbortController();
    await call('/t/acme/chat', await stack.token('a'), { method: 'POST', body: '{}', signal: abort.signal });
    abort.abort();
    await until(() => stack.gateway.requests[0]!.aborted);
    expect(stack.gateway.requests).toHaveLength(1);
  });

  it('cuts the client off when the upstream breaks in the middle', async () => {
    stack.gateway.answer = (_req, res) => {
      res.writeHead(200).write('half');
      setTimeout(() => res.destroy(), 20);
    };
    const answer = await call('/t/acme/chat', await stack.token('a'), { method: 'POST', body: '{}' });
    await expect(answer.text()).rejects.toThrow('terminated');
  });

  it('streams a large answer at the pace of a slow reader without gathering it', async () => {
    const size = 64 * 1024 * 1024;
    let written = 0;
    stack.gateway.answer = (_req, res) => {
      res.writeHead(200, { 'content-length': String(size) });
      const piece = Buffer.alloc(1024 * 1024);
      const more = () => {
        while (written < size) {
          written += piece.length;
          if (!res.write(piece)) return void res.once('drain', more);
        }
        res.end();
      };
      more();
    };
    const answer = await call('/t/acme/chat', await stack.token('a'));
    const reader = answer.body!.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(written).toBeLessThan(size / 2);
    let read = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) read += part.value.length;
    expect(read).toBeGreaterThan(size - 4 * 1024 * 1024);
  });

  it('refuses a body that declares more than 1 MiB, before the upstream sees any', async () => {
    const body = Buffer.alloc(10 * 1024 * 1024);
    expect(await codeOf(await call('/t/acme/chat', await stack.token('a'), { method: 'POST', body }))).toEqual([
      413,
      'body-too-large',
    ]);
    expect(stack.gateway.requests).toHaveLength(0);
  });

  it('stops a chunked body at 1 MiB', async () => {
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (sent >= 10 * 1024 * 1024) return controller.close();
        sent += 64 * 1024;
        controller.enqueue(Buffer.alloc(64 * 1024));
      },
    });
    const answer = await call('/t/acme/chat', await stack.token('a'), { method: 'POST', body, duplex: 'half' });
    expect(await codeOf(answer)).toEqual([413, 'body-too-large']);
    await until(() => stack.gateway.requests[0]!.aborted);
    expect(stack.gateway.requests[0]!.bytes).toBeLessThanOrEqual(1024 * 1024);
  });

  it('passes a body of just 1 MiB, declared or chunked', async () => {
    const token = await stack.token('a');
    const bytes = Buffer.alloc(1024 * 1024);
    const chunked = new ReadableStream({ start: (c) => (c.enqueue(bytes), c.close()) });
    for (const body of [bytes, chunked]) {
      const answer = await call('/t/acme/chat', token, { method: 'POST', body, duplex: 'half' });
      expect(await answer.json()).toMatchObject({ bytes: 1024 * 1024 });
    }
  });

  it('answers 503 with Retry-After for an agent that moves for long, and for one that cannot be reached', async () => {
    stack.version += 1;
    const held = agentRoute('b', 'acme', 1, { state: 'held' });
    stack.control.send({
      type: 'delta',
      from: stack.version - 1,
      version: stack.version,
      agents: { upsert: [held], remove: [] },
    });
    let moving!: Response;
    await until(async () => (moving = await call(`/t/acme/a/${B}/health`)).status === 503, 15_000);
    expect([moving.headers.get('retry-after'), ...(await codeOf(moving))]).toEqual(['1', 503, 'agent-moving']);
    stack.version += 1;
    const gone = agentRoute('b', 'acme', 1);
    stack.control.send({
      type: 'delta',
      from: stack.version - 1,
      version: stack.version,
      agents: { upsert: [gone], remove: [] },
    });
    await until(async () => (await codeOf(await call(`/t/acme/a/${B}/health`)))[1] === 'agent-unreachable');
    stack.version += 1;
    const back = agentRoute('b', 'acme', stack.gateway.port);
    stack.control.send({
      type: 'delta',
      from: stack.version - 1,
      version: stack.version,
      agents: { upsert: [back], remove: [] },
    });
    await until(async () => (await call(`/t/acme/a/${B}/health`)).status === 200);
  });

  it('asks again once when an idle connection turns out to be dead', async () => {
    await call(`/t/acme/a/${A}/health`);
    let refused = 0;
    stack.gateway.answer = (req, res) => {
      if (refused > 0) return void res.end('ok');
      refused += 1;
      req.socket.destroy();
    };
    const answer = await call(`/t/acme/a/${A}/health`);
    expect([await answer.text(), refused]).toEqual(['ok', 1]);
  });

  it('never asks again for a request that may have done something', async () => {
    stack.gateway.answer = (req) => req.socket.destroy();
    expect(await codeOf(await call('/t/acme/chat', await stack.token('a'), { method: 'POST', body: '{}' }))).toEqual([
      503,
      'agent-unreachable',
    ]);
    expect(stack.gateway.requests).toHaveLength(1);
  });
});

describe('what is ambiguous or oversized', () => {
  const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;
  it.each([
    [
      'length and encoding',
      head('POST /t/acme/chat HTTP/1.1', 'Host: h', 'Content-Length: 5', 'Transfer-Encoding: chunked') + '0\r\n\r\n',
    ],
    ['two lengths', head('POST /t/acme/chat HTTP/1.1', 'Host: h', 'Content-Length: 5', 'Content-Length: 6') + 'hello'],
    [
      'two equal lengths',
      head('POST /t/acme/chat HTTP/1.1', 'Host: h', 'Content-Length: 5', 'Content-Length: 5') + 'hello',
    ],
    [
      'an encoding that hides chunks',
      head('POST /t/acme/chat HTTP/1.1', 'Host: h', 'Transfer-Encoding: xchunked') + '0\r\n\r\n',
    ],
    [
      'encodings on top of each other',
      head('POST /t/acme/chat HTTP/1.1', 'Host: h', 'Transfer-Encoding: gzip, chunked') + '0\r\n\r\n',
    ],
    ['two hosts', head('GET /t/acme/ HTTP/1.1', 'Host: a', 'Host: b')],
    ['a space before the colon', head('GET /t/acme/ HTTP/1.1', 'Host: a', 'Content-Length : 5')],
    ['an absolute target', head('GET http://chat.acme.test/ HTTP/1.1', 'Host: a')],
    [
      'a bare line feed in the chunk size',
      head('POST /t/acme/chat HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked') + '5\nhello\r\n0\r\n\r\n',
    ],
    ['a long address', head(`GET /t/acme/${'a'.repeat(9000)} HTTP/1.1`, 'Host: a')],
  ])('refuses %s', async (_name, text) => {
    expect(await rawCall(text)).toMatch(/^HTTP\/1.1 4(00|01) /);
    expect(stack.gateway.requests).toHaveLength(0);
  });

  it('refuses headers beyond 16 KiB with 431', async () => {
    expect(await rawCall(head('GET /health HTTP/1.1', 'Host: a', `X-Long: ${'a'.repeat(17_000)}`))).toMatch(
      /^HTTP\/1.1 431 /,
    );
  });

  it('never shows a token, cookie or query string in its logs', async () => {
    const token = await stack.token('a');
    await call(`/t/acme/a/${A}/chat?secretquery=1`, token, { headers: { cookie: 'wirebot_session=secretcookie' } });
    const all = stack.logs.join('');
    for (const secret of [token, 'secretquery', 'secretcookie', 'proxy-secret']) expect(all).not.toContain(secret);
  });
});
