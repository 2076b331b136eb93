import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { http } from '../support/chat.js';
import { drivers, TestStack } from '../support/stack.js';

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly { readonly field: string }[];
}

/** Every problem says what is wrong in a sentence and by a stable code. */
function expectProblem(answer: { status: number; body: unknown }, status: number, code: string): Problem {
  const problem = answer.body as Problem;
  expect({ status: answer.status, code: problem.code }).toEqual({ status, code });
  expect(problem.status).toBe(status);
  expect(problem.detail).toMatch(/^[A-Z].{20,}\.$/s);
  return problem;
}

describe('bad input', () => {
  let stack: TestStack;
  let api: Api;

  beforeAll(async () => {
    stack = await TestStack.start({ driver: 'process', env: { WIREBOT_GATEWAY_PORTS: '19100-19105' } });
    api = new Api(stack.file);
  });
  afterAll(() => stack.dispose());

  const members = async () =>
    (await stack.database.query('SELECT count(*)::int AS n FROM members'))[0]?.['n'] as number;

  it('names an unknown tier and the tiers there are, and keeps nothing', async () => {
    const problem = expectProblem(await api.put('nobody', 'platinum'), 422, 'tier-unknown');
    expect(problem.detail).toContain('sovereign');
    expectProblem(await api.call('GET', '/v1/members/nobody'), 404, 'member-not-found');
  });

  it.each([
    ['{"email": ', 400, 'malformed-json'],
    ['{}', 400, 'request-invalid'],
    ['{"email":"no address","tier":"free"}', 400, 'request-invalid'],
    ['{"email":"a@example.com","tier":"free","admin":true}', 400, 'request-invalid'],
    ['{"email":"a@example.com","tier":"free","workspace":"x"}', 400, 'request-invalid'],
    [`{"email":"a@example.com","tier":"${'x'.repeat(10 * 1024 * 1024)}"}`, 413, 'body-too-large'],
  ])('refuses body %#', async (body, status, code) => {
    const before = await members();
    const answer = await api.call('PUT', '/v1/members/mallory', body);
    expectProblem(answer, status, code);
    expect(JSON.stringify(answer.body)).not.toContain('no address');
    expect(await members()).toBe(before);
  });

  it('refuses ids that are none, unknown paths and wrong methods', async () => {
    expectProblem(await api.put('a%20b', 'free'), 400, 'external-id-invalid');
    expect((await api.call('GET', '/v1/nothing')).status).toBe(404);
    expect((await api.call('DELETE', '/v1/members/x')).status).toBe(404);
  });

  it('tells a wrong key and a missing key apart from nothing', async () => {
    for (const key of ['', 'nonsense', stack.file.tenant.apiKey.slice(0, -3) + 'xyz']) {
      expectProblem(await new Api(stack.file, key).call('GET', '/v1/members/x'), 401, 'api-key-invalid');
    }
  });

  it('knows no unknown host and no unknown agent at the proxy', async () => {
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const response = await fetch(stack.file.proxy.url + path, { headers });
      return { status: response.status, body: await response.json() };
    };
    expectProblem(await ask('/t/nobody/chat'), 404, 'unknown-host');
    expectProblem(await ask(`/t/demo/a/agt_${'0'.repeat(26)}/session/x`), 401, 'credential-missing');
  });

  it('refuses an expired, a foreign and a broken token', async () => {
    await api.provisioned('ann', 'freewire');
    const token = await api.token('ann');
    for (const broken of ['x', `${token.token}x`, token.token.split('.').slice(0, 2).join('.') + '.']) {
      expect((await http({ ...token, token: broken }, 'POST', '/chat', { text: 'hi' })).status).toBe(401);
    }
    const revoked = await api.call('POST', '/v1/tokens/revoke', { member: 'ann' });
    expect(revoked.status).toBeLessThan(300);
    await expect
      .poll(async () => (await http(token, 'POST', '/chat', { text: 'hi' })).status, { timeout: 5_000 })
      .toBe(401);
  });

  it('refuses messages that are too long or too large', async () => {
    await api.provisioned('ben', 'freewire');
    const token = await api.token('ben');
    expectProblem(await http(token, 'POST', '/chat', { text: '' }), 400, 'request-invalid');
    expectProblem(await http(token, 'POST', '/chat', { text: 'x'.repeat(32_001) }), 422, 'text-too-long');
    expect((await http(token, 'POST', '/chat', { text: 'x'.repeat(10 * 1024 * 1024) })).status).toBe(413);
  });

  it('fails the operation when every port is taken, and leaves no gateway behind', async () => {
    const changes = [];
    for (const name of ['s1', 's2', 's3', 's4']) changes.push((await api.put(name, 'sovereign')).body);
    const ended = await Promise.all(changes.map((change) => api.finished(change.operation!.id)));
    const failed = ended.filter((operation) => operation.status === 'failed');
    expect(failed.length).toBeGreaterThan(0);
    expect(failed[0]?.error).toMatchObject({ code: 'port-range-full' });
    expect(failed[0]?.error?.message).toContain('WIREBOT_GATEWAY_PORTS');
    const rows = await stack.database.query("SELECT count(*)::int AS n FROM gateways WHERE phase <> 'deleted'");
    expect(rows[0]?.['n']).toBeLessThanOrEqual(3);
  });

  it('honours an idempotency key: the same call is answered again, another one refused', async () => {
    const key = { 'idempotency-key': 'a-key-of-the-site' };
    const body = { email: 'idem@example.com', tier: 'freewire' };
    const first = await api.call<{ operation: { id: string } }>('PUT', '/v1/members/idem', body, key);
    const again = await api.call<{ operation: { id: string } }>('PUT', '/v1/members/idem', body, key);
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(again.body.operation.id).toBe(first.body.operation.id);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    const other = await api.call('PUT', '/v1/members/idem', { ...body, tier: 'wire' }, key);
    expectProblem(other, 409, 'idempotency-key-reused');
  });
});

describe.skipIf(!drivers.includes('docker'))('an engine that cannot do it', () => {
  it('says that the image is missing and how to build it', async () => {
    const stack = await TestStack.start({
      driver: 'docker',
      env: { WIREBOT_GATEWAY_IMAGE: 'wirebot/no-such-image:1' },
    });
    try {
      const api = new Api(stack.file);
      const operation = await api.finished((await api.put('sol', 'sovereign')).body.operation!.id);
      expect(operation).toMatchObject({ status: 'failed', error: { code: 'image-missing' } });
      const member = await api.call<{ gateway: unknown }>('GET', '/v1/members/sol');
      expect(member.body.gateway).toBeNull();
    } finally {
      await stack.dispose();
    }
  });
});

describe('a gateway that cannot start', () => {
  it('fails at the deadline with the reason', async () => {
    const env = {
      WIREBOT_OPERATION_DEADLINE_SECONDS: '4',
      WIREBOT_GATEWAY_START_SECONDS: '2',
      WIREBOT_GATEWAY_IMAGE: '/nonexistent/gateway.mjs',
    };
    const stack = await TestStack.start({ driver: 'process', env });
    try {
      const api = new Api(stack.file);
      const operation = await api.finished((await api.put('sol', 'sovereign')).body.operation!.id);
      expect(operation.status).toBe('failed');
      expect(operation.error?.message.length).toBeGreaterThan(20);
    } finally {
      await stack.dispose();
    }
  });
});
