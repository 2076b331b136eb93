import { CLOSE, type GatewayStatus } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatClient } from './testing/chat-client.js';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
import { profile, Tenant } from './testing/tenant.js';

let api: ModelApi;
let tenant: Tenant;
let stranger: Tenant;
let gateway: GatewayProcess;
let generation = 0;
/** Each test that fails on purpose comes from an address of its own: failed attempts are counted per address. */
let address = 0;
const elsewhere = () => ({ 'x-forwarded-for': `203.0.113.${(address += 1)}` });

const apply = async (agents: Parameters<Tenant['config']>[2], query = '') => {
  generation += 1;
  return gateway.control('PUT', `/config${query}`, tenant.config('gw_access', api.url, agents, generation));
};
const get = (path: string, token?: string, headers: Record<string, string> = elsewhere()) =>
  fetch(`${gateway.url}${path}`, { headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) } });
const post = (path: string, token: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...elsewhere(), ...headers },
    body,
  });
const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

beforeAll(async () => {
  [api, tenant, stranger] = await Promise.all([startModelApi(), Tenant.create(), Tenant.create()]);
  gateway = await GatewayProcess.start(createHome('gw_access'));
});
afterAll(async () => {
  await gateway.end('SIGKILL');
  await api.close();
  removeHomes();
});

describe('before its first configuration', () => {
  it('lives but is not ready, and says why', async () => {
    expect((await get('/health')).status).toBe(200);
    const ready = await get('/ready');
    expect(ready.headers.get('content-type')).toContain('application/problem+json');
    expect(await codeOf(ready)).toEqual([503, 'gateway-unconfigured']);
    expect(await codeOf(await get('/sessions', 'x'))).toEqual([503, 'gateway-unconfigured']);
  });
});

describe('the control API', () => {
  it('refuses a missing and a wrong credential on every path', async () => {
    for (const [method, path] of [
      ['GET', '/status'],
      ['PUT', '/config'],
      ['GET', '/agents/agt_a/archive'],
      ['PUT', '/agents/agt_a/archive'],
      ['DELETE', '/agents/agt_a'],
    ] as const) {
      expect(await codeOf(await gateway.control(method, path, undefined, 'wrong'))).toEqual([
        401,
        'control-credential-invalid',
      ]);
    }
    expect(await codeOf(await fetch(`${gateway.controlUrl}/status`))).toEqual([401, 'control-credential-invalid']);
  });

  it('takes a new credential without a restart', async () => {
    const path = join(gateway.home.secretsDir, 'control');
    writeFileSync(path, 'second-credential');
    expect((await gateway.control('GET', '/status')).status).toBe(401);
    expect((await gateway.control('GET', '/status', undefined, 'second-credential')).status).toBe(200);
    writeFileSync(path, gateway.home.controlCredential);
  });

  it('refuses a wrong configuration whole and names every wrong field', async () => {
    const agent = { ...tenant.agent('x', { trust: { ...profile(), ceiling: 9 as never } }), agentId: '../x' };
    const config = { ...tenant.config('gw_access', 'ftp://broker', [agent as never]), fence: -1 };
    const response = await gateway.control('PUT', '/config', config);
    const problem = (await response.json()) as { code: string; errors: { field: string }[] };
    expect([response.status, problem.code]).toEqual([422, 'config-invalid']);
    expect(problem.errors.map((error) => error.field).sort()).toEqual([
      'agents[0].agentId',
      'agents[0].trust.ceiling',
      'brokerUrl',
      'fence',
    ]);
    const other = await gateway.control('PUT', '/config', tenant.config('gw_other', null, []));
    expect(await codeOf(other)).toEqual([422, 'config-invalid']);
    expect(((await (await gateway.control('GET', '/status')).json()) as GatewayStatus).state).toBe('unconfigured');
  });

  it('attaches and detaches agents while it runs', async () => {
    const [a, b] = [tenant.agent('hot1'), tenant.agent('hot2')];
    expect(await (await apply([a])).json()).toEqual({ generation, agents: [a.agentId] });
    expect((await get('/ready')).status).toBe(200);
    expect((await get('/sessions', await tenant.token(a))).status).toBe(200);
    expect(await codeOf(await get('/sessions', await tenant.token(b)))).toEqual([404, 'agent-not-found']);
    await apply([b]);
    expect((await get('/sessions', await tenant.token(b))).status).toBe(200);
    expect(await codeOf(await get('/sessions', await tenant.token(a)))).toEqual([404, 'agent-not-found']);
  });

  it('lets a running answer end before it detaches, and tells the client to come back', async () => {
    const agent = tenant.agent('leaving');
    giveAgentCredential(gateway.home, agent.agentId, 'x');
    await apply([agent]);
    const client = await ChatClient.connect(`${gateway.wsUrl}/ws`, await tenant.token(agent));
    client.say('[[words 10]] [[chunk-delay 40]]', 'k');
    await client.waitFor('response');
    const detached = apply([]);
    await client.waitFor('draining');
    client.say('too late', 'k2');
    expect(await client.waitFor('error')).toMatchObject({ id: 'k2', code: 'agent-draining', retryAfter: 2 });
    await client.waitFor('done');
    expect((await detached).status).toBe(200);
    expect(await client.waitForClose()).toBe(CLOSE.goingAway);
  });

  it('refuses an older fence, and an older generation of the same fence', async () => {
    const send = (fence: number, number: number) =>
      gateway.control('PUT', '/config', tenant.config('gw_access', api.url, [], number, fence));
    expect((await send(5, 1)).status).toBe(200);
    expect(await codeOf(await send(4, 9))).toEqual([409, 'stale-fence']);
    expect((await send(5, 3)).status).toBe(200);
    expect(await codeOf(await send(5, 2))).toEqual([409, 'stale-fence']);
    expect((await send(5, 3)).status).toBe(200);
    generation = 100;
  });
});

describe('access to agents', () => {
  const one = () => tenant.agent('one', { trust: profile(2) });
  const two = () => tenant.agent('two');
  const send = async (agents: Parameters<Tenant['config']>[2]) => {
    generation += 1;
    const response = await gateway.control(
      'PUT',
      '/config',
      tenant.config('gw_access', api.url, agents, generation, 5),
    );
    expect(response.status).toBe(200);
  };
  beforeAll(async () => {
    for (const agent of [one(), two()]) giveAgentCredential(gateway.home, agent.agentId, 'x');
    await send([one(), two()]);
  });

  it('answers a token of another agent exactly as if the agent did not exist', async () => {
    const token = await tenant.token(one());
    const own = await post(`/a/agt_one/chat`, token, JSON.stringify({ text: 'secret', session: 'private' }));
    expect(own.status).toBe(200);
    for (const path of ['sessions', 'session/private']) {
      const strange = (await (await get(`/a/agt_two/${path}`, token)).json()) as object;
      const missing = (await (await get(`/a/agt_none/${path}`, token)).json()) as object;
      expect({ ...strange, instance: '' }).toEqual({ ...missing, instance: '' });
      expect(strange).toMatchObject({ status: 404, code: 'agent-not-found' });
    }
    const other = await tenant.token(two());
    expect(await codeOf(await get('/session/private', other))).toEqual([404, 'session-not-found']);
    expect(await codeOf(await post('/a/agt_one/chat', other, '{"text":"x"}'))).toEqual([404, 'agent-not-found']);
  });

  it('refuses a token of another tenant with the same workspace', async () => {
    const token = await tenant.token(one(), { tid: 'ten_other' });
    expect(await codeOf(await get('/sessions', token))).toEqual([404, 'agent-not-found']);
  });

  it.each([
    ['none', undefined, 'credential-missing'],
    ['rubbish', 'rubbish', 'token-invalid'],
    ['one of another issuer', 'stranger', 'token-invalid'],
    ['an expired one', 'expired', 'token-expired'],
  ])('refuses %s as token: 401', async (_name, kind, code) => {
    const past = Math.floor(Date.now() / 1000) - 60;
    const made: Record<string, () => Promise<string>> = {
      stranger: () => stranger.token(one()),
      expired: () => tenant.token(one(), { exp: past }),
    };
    const response = await get('/sessions', kind && (await (made[kind]?.() ?? kind)));
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await codeOf(response)).toEqual([401, code]);
  });

  it('needs the scope chat when a token has scopes', async () => {
    expect(await codeOf(await get('/sessions', await tenant.token(one(), { scopes: ['read'] })))).toEqual([
      403,
      'scope-missing',
    ]);
    expect((await get('/sessions', await tenant.token(one(), { scopes: ['chat'] }))).status).toBe(200);
  });

  it('never raises the trust mode above token or agent', async () => {
    const mode = async (tokenMode: 0 | 1 | 2 | 3) => {
      const token = await tenant.token(one(), { trust_mode_max: tokenMode });
      const client = await ChatClient.connect(`${gateway.wsUrl}/ws`, token);
      client.close();
      return client.of('connected')[0]!.trustMode;
    };
    expect([await mode(1), await mode(2), await mode(3)]).toEqual([1, 2, 2]);
  });

  it('answers 429 after ten failures a minute from one address, and lets valid tokens of that address pass', async () => {
    const from = elsewhere();
    for (let i = 0; i < 10; i += 1) expect((await get('/sessions', 'wrong', from)).status).toBe(401);
    const refused = await get('/sessions', 'wrong', from);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await codeOf(refused)).toEqual([429, 'too-many-failed-attempts']);
    expect((await get('/sessions', await tenant.token(one()), from)).status).toBe(200);
    expect((await get('/sessions', 'wrong')).status).toBe(401);
  });

  it('closes sockets with the code that fits', async () => {
    const closing = async (path: string, token: string) => {
      const client = await ChatClient.open(`${gateway.wsUrl}${path}`, token);
      client.send({ type: 'connect', id: 'c' });
      const code = await client.waitForClose();
      return [code, client.of('error')[0]?.code];
    };
    expect(await closing('/ws', 'rubbish')).toEqual([CLOSE.unauthenticated, 'token-invalid']);
    const token = await tenant.token(two());
    expect(await closing('/a/agt_one/ws', token)).toEqual([CLOSE.notFound, 'agent-not-found']);
  });

  it('declines the handshake for an agent it does not have, so that a proxy with an old route hears of it', async () => {
    const answer = await fetch(`${gateway.url}/a/agt_none/session/x`, { headers: { authorization: 'Bearer x' } });
    expect(answer.headers.get('x-wirebot-problem')).toBeTruthy();
    const opening = ChatClient.open(`${gateway.wsUrl}/a/agt_none/ws`, await tenant.token(two()));
    await expect(opening).rejects.toThrow('404');
  });

  it('takes the token in the connect frame, and nothing else before it', async () => {
    const early = await ChatClient.open(`${gateway.wsUrl}/a/agt_one/ws`);
    early.say('hello', 'k');
    expect([await early.waitForClose(), early.of('error')[0]?.code]).toEqual([
      CLOSE.unauthenticated,
      'credential-missing',
    ]);
    const late = await ChatClient.open(`${gateway.wsUrl}/a/agt_one/ws`);
    late.send({ type: 'connect', id: 'c', token: await tenant.token(one()) });
    expect(await late.waitFor('connected')).toMatchObject({ agent: 'agt_one' });
    late.close();
  });

  it('takes nothing more once the token of a socket has expired, unless it gets a new one', async () => {
    // Within the allowed clock skew for the connect, but over.
    const now = Math.floor(Date.now() / 1000);
    const expiring = await tenant.token(one(), { iat: now - 600, exp: now - 2 });
    const [left, renewed] = await Promise.all([
      ChatClient.connect(`${gateway.wsUrl}/ws`, expiring),
      ChatClient.connect(`${gateway.wsUrl}/ws`, expiring),
    ]);
    left.say('hello', 'expired-1');
    expect([await left.waitForClose(), left.of('error')[0]?.code]).toEqual([CLOSE.unauthenticated, 'token-expired']);
    renewed.send({ type: 'connect', id: 'c2', token: await tenant.token(one()) });
    renewed.say('hello', 'expired-2');
    await renewed.waitFor('done');
    renewed.close();
  });

  it('closes a socket that does not connect within ten seconds', async () => {
    const client = await ChatClient.open(`${gateway.wsUrl}/ws`);
    const began = performance.now();
    expect(await client.waitForClose()).toBe(CLOSE.unauthenticated);
    expect(performance.now() - began).toBeGreaterThan(9_000);
  });

  it('closes a socket that sends too much before it connects', async () => {
    const client = await ChatClient.open(`${gateway.wsUrl}/ws`);
    client.send({ type: 'connect', id: 'x'.repeat(70_000) });
    expect(await client.waitForClose()).toBe(CLOSE.tooLarge);
  });

  it('refuses a socket anywhere else', async () => {
    await expect(ChatClient.open(`${gateway.wsUrl}/elsewhere`)).rejects.toThrow('404');
  });
});

describe('bad input', () => {
  let token: string;
  beforeAll(async () => void (token = await tenant.token(tenant.agent('one'))));

  it.each([
    ['malformed JSON', '{"text":', 400, 'request-invalid'],
    ['an empty body', '', 400, 'request-invalid'],
    ['a list', '[]', 400, 'request-invalid'],
    ['no text', '{}', 400, 'request-invalid'],
    ['an empty text', '{"text":"  "}', 400, 'request-invalid'],
    ['a number as text', '{"text":7}', 400, 'request-invalid'],
    ['a strange session', '{"text":"x","session":"../x"}', 400, 'request-invalid'],
    ['a strange key', '{"text":"x","idempotencyKey":"\\n"}', 400, 'request-invalid'],
    ['a text too long', JSON.stringify({ text: 'x'.repeat(32_001) }), 422, 'text-too-long'],
    ['an attachment', '{"text":"x","attachments":[{"name":"a"}]}', 422, 'attachments-unsupported'],
    ['a body too large', JSON.stringify({ text: 'x'.repeat(1_100_000) }), 413, 'body-too-large'],
  ])('answers %s with the status and code that fit', async (_name, body, status, code) => {
    const before = api.requests.length;
    expect(await codeOf(await post('/chat', token, body))).toEqual([status, code]);
    expect(api.requests.length).toBe(before);
  });

  it('answers another media type and unknown paths as problems', async () => {
    expect(await codeOf(await post('/chat', token, 'text=x', { 'content-type': 'text/plain' }))).toEqual([
      400,
      'request-invalid',
    ]);
    expect(await codeOf(await get('/nothing-here', token))).toEqual([404, 'route-not-found']);
    expect(await codeOf(await get('/session/none', token))).toEqual([404, 'session-not-found']);
  });

  it('answers bad frames with an error and stays', async () => {
    const client = await ChatClient.connect(`${gateway.wsUrl}/ws`, token);
    for (const frame of [
      '{',
      '[]',
      '{"type":"dance","id":"1"}',
      '{"type":"message","id":"2","text":"x"}',
      '{"type":"abort","id":"3"}',
    ]) {
      client.socket.send(frame);
    }
    client.send({ type: 'message', id: '4', idempotencyKey: 'k', text: 7 });
    client.send({ type: 'abort', id: '5', task: 'tsk_none' });
    client.send({ type: 'connect', id: '6', resume: { session: 'never-seen', after: 3 } });
    await client.waitFor('error', 8);
    expect(client.of('error').map((frame) => frame.code)).toEqual([
      ...Array.from({ length: 5 }, () => 'frame-invalid'),
      'request-invalid',
      'task-not-found',
      'session-not-found',
    ]);
    expect(client.of('error').at(-1)!.id).toBe('6');
    client.say('still here', 'k9');
    await client.waitFor('done');
    client.close();
  });
});

describe('limits of a tier', () => {
  const limited = () => tenant.agent('limited', { trust: profile(1, { messagesPerHour: 3, sessions: 1 }) });
  beforeAll(async () => {
    giveAgentCredential(gateway.home, 'agt_limited', 'x');
    generation += 1;
    await gateway.control('PUT', '/config', tenant.config('gw_access', api.url, [limited()], generation, 5));
  });

  it('keeps at most so many sessions and messages an hour; a repeated key costs nothing', async () => {
    const token = await tenant.token(limited());
    const say = (body: object) => post('/chat', token, JSON.stringify(body));
    const first = (await (await say({ text: 'a', idempotencyKey: 'k1' })).json()) as { session: string };
    expect(await codeOf(await say({ text: 'b', session: 'another' }))).toEqual([422, 'session-limit-reached']);
    const fallback = (await (await say({ text: 'b' })).json()) as { session: string };
    expect(fallback.session).toBe(first.session);
    expect((await say({ text: 'c' })).status).toBe(200);
    const refused = await say({ text: 'd' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3500);
    expect(await codeOf(refused)).toEqual([429, 'message-limit-reached']);
    expect((await say({ text: 'a', idempotencyKey: 'k1' })).status).toBe(200);
  });
});

describe('what it leaves behind', () => {
  it('keeps every file 600 and every folder 700', () => {
    const { stateDir } = gateway.home;
    const entries = readdirSync(stateDir, { recursive: true, withFileTypes: true });
    const modes = entries.map((entry) => {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
      return entry.isDirectory() ? mode === 0o700 : mode === 0o600;
    });
    expect(entries.length).toBeGreaterThan(3);
    expect(modes.every(Boolean)).toBe(true);
  });

  it('logs neither tokens, credentials nor texts', () => {
    const all = JSON.stringify(gateway.logs);
    for (const secret of [gateway.home.controlCredential, 'eyJ', 'still here', 'Answer to', 'secret']) {
      expect(all).not.toContain(secret);
    }
    expect(gateway.logs.filter((entry) => entry['level'] === 'error')).toEqual([]);
  });

  it('counts in /metrics, and nowhere below an agent', async () => {
    const text = await (await get('/metrics')).text();
    expect(text).toMatch(/^wirebot_gateway_messages_accepted_total [1-9]/m);
    expect(text).toMatch(/^wirebot_gateway_first_token_seconds_count [1-9]/m);
    expect((await get('/a/agt_one/metrics')).status).toBe(404);
  });
});
