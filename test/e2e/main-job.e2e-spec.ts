import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import type { ChatAnswer } from '#libs/contracts';
import { Api } from '../support/api.js';
import { chat, ChatSocket, http, session } from '../support/chat.js';
import { type Model, PLATFORM_KEY, startModel } from '../support/model.js';
import { operatorKey, otherTenant } from '../support/other-tenant.js';
import { drivers, parts, TestStack } from '../support/stack.js';

/** Both stores of queues and counters; Redis once is enough, it knows nothing of drivers. */
const variants = [
  ...drivers.map((driver) => ({ driver, store: 'PostgreSQL' })),
  ...(parts.redis ? [{ driver: 'process' as const, store: 'Redis' }] : []),
];

describe.each(variants)('the main job on the $driver driver with queues on $store', ({ driver, store }) => {
  let model: Model;
  let stack: TestStack;
  let api: Api;

  beforeAll(async () => {
    model = await startModel();
    const redis: Record<string, string> = store === 'Redis' ? { REDIS_URL: parts.redis! } : {};
    stack = await TestStack.start({ driver, env: { ...model.env, ...redis } });
    api = new Api(stack.file);
  });

  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  it('provisions an agent on a shared gateway and one on a gateway of its own', async () => {
    const shared = await api.provisioned('ann', 'freewire');
    const dedicated = await api.provisioned('sol', 'sovereign');
    expect(shared).toMatchObject({ status: 'active', trustModeMax: 1, gateway: { kind: 'shared', phase: 'ready' } });
    expect(dedicated).toMatchObject({ trustModeMax: 3, gateway: { kind: 'dedicated', phase: 'ready' } });
    expect(dedicated.gateway?.id).not.toBe(shared.gateway?.id);
  });

  it.each(['ann', 'sol'])('streams the answer to %s over the socket, token by token', async (member) => {
    const socket = await ChatSocket.open(await api.token(member));
    socket.message('hello [[words 20]] [[chunk-delay 10]]');
    const done = await socket.until('done');
    const deltas = socket.frames.filter((frame) => frame.type === 'response');
    expect(deltas.length).toBeGreaterThan(3);
    expect(deltas.map((frame) => frame.delta).join('')).toBe(done.text);
    const numbers = socket.frames.flatMap((frame) => ('seq' in frame && frame.seq !== undefined ? [frame.seq] : []));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(done.usage.outputTokens).toBeGreaterThan(0);
    socket.close();
  });

  it('answers as JSON and as server-sent events, and remembers the conversation', async () => {
    const token = await api.token('ann');
    const first = await chat(token, 'my name is Ann');
    const second = await chat(token, 'what is my name?', { session: first.session });
    expect(second.session).toBe(first.session);
    const last = model.api.requests.at(-1);
    expect(JSON.stringify(last?.body['messages'])).toContain('my name is Ann');
    const response = await fetch(`${token.url}/chat`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token.token}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({ text: 'stream [[words 5]]', session: first.session }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const text = await response.text();
    expect(text).toContain('word4');
    expect((await session(token, first.session)).messages.filter((message) => message.role === 'user')).toHaveLength(3);
  });

  it('calls the model once for a message that is sent twice', async () => {
    const token = await api.token('ann');
    const idempotencyKey = randomUUID();
    const before = model.api.requests.length;
    const answers = [
      await chat(token, 'only once', { idempotencyKey }),
      await chat(token, 'only once', { idempotencyKey }),
    ];
    expect(answers[1]).toEqual(answers[0]);
    expect(model.api.requests.length).toBe(before + 1);
  });

  it('runs its queues and counters on that store', async () => {
    const ready = (await (await fetch(`${stack.file.controlPlane.url}/ready`)).json()) as { coordination: string };
    expect(ready.coordination).toBe(store === 'Redis' ? 'redis' : 'postgres');
  });

  it('reaches the model only through the broker, with a key that no gateway holds', async () => {
    const seen = model.api.requests.map((request) => request.apiKey);
    expect(new Set(seen)).toEqual(new Set([PLATFORM_KEY]));
    const { admin, tenant } = stack.file;
    const secrets = [PLATFORM_KEY, tenant.apiKey, admin.password, (await api.token('ann')).token];
    for (const part of ['control-plane', 'proxy'] as const) {
      const log = await stack.logOf(part);
      for (const secret of secrets) expect(log).not.toContain(secret);
    }
  });

  it('gives one agent nothing with the token of another on the same gateway', async () => {
    await api.provisioned('ben', 'freewire');
    const [ann, ben] = [await api.token('ann'), await api.token('ben')];
    const said = await chat(ann, 'a secret of Ann');
    const crossed = { ...ben, url: ann.url, wsUrl: ann.wsUrl };
    expect((await http(crossed, 'GET', `/session/${said.session}`)).status).toBe(404);
    expect((await http(crossed, 'POST', '/chat', { text: 'hi' })).status).toBe(404);
    expect((await http(ben, 'GET', `/session/${said.session}`)).status).toBe(404);
    await expect(ChatSocket.open(crossed)).rejects.toThrow('404');
  });

  it('moves shared -> dedicated with the conversation intact, and the old token still works', async () => {
    const token = await api.token('ben');
    const before = await chat(token, 'remember the number 4711');
    const moved = await api.provisioned('ben', 'sovereign');
    expect(moved.gateway).toMatchObject({ kind: 'dedicated', phase: 'ready' });
    const kept = await session(token, before.session);
    expect(kept.messages.map((message) => message.text)).toContain('remember the number 4711');
    const after = await chat(token, 'which number?', { session: before.session });
    expect(after.session).toBe(before.session);
    expect(JSON.stringify(model.api.requests.at(-1)?.body['messages'])).toContain('4711');
    const back = await api.provisioned('ben', 'wire');
    expect(back.gateway).toMatchObject({ kind: 'shared' });
    expect((await session(token, before.session)).messages).toHaveLength(4);
  });

  it('loses and repeats nothing that is said while the agent moves', async () => {
    await api.provisioned('mia', 'freewire');
    const token = await api.token('mia');
    const first = await chat(token, 'start');
    const move = await api.put('mia', 'sovereign');
    const said = Array.from({ length: 8 }, (_, index) => `during the move ${index}`);
    const answers: ChatAnswer[] = [];
    for (const text of said) answers.push(await chat(token, text, { session: first.session }));
    expect(await api.finished(move.body.operation!.id)).toMatchObject({ status: 'succeeded' });
    const view = await session(token, first.session);
    expect(view.messages.filter((message) => message.role === 'user').map((message) => message.text)).toEqual([
      'start',
      ...said,
    ]);
    expect(view.messages.filter((message) => message.role === 'assistant')).toHaveLength(9);
    expect(new Set(answers.map((answer) => answer.task)).size).toBe(said.length);
  });

  it('answers no more after cancel, keeps everything, and answers again after a new purchase', async () => {
    const token = await api.token('ann');
    const said = await chat(token, 'before the cancel');
    const cancelled = await api.call<{ operation: { id: string } }>('POST', '/v1/members/ann/cancel', {});
    expect(cancelled.status).toBe(202);
    expect(await api.finished(cancelled.body.operation.id)).toMatchObject({ status: 'succeeded' });
    await expect
      .poll(async () => (await http(token, 'POST', '/chat', { text: 'hello?' })).status, { timeout: 5_000 })
      .toBe(404);
    expect((await api.call('POST', '/v1/tokens', { member: 'ann', surface: 'web' })).status).toBe(409);
    await api.provisioned('ann', 'freewire');
    expect((await session(await api.token('ann'), said.session)).messages.length).toBeGreaterThan(0);
  });

  it('takes the older provisioning call of membership plugins with an operator key, and from nobody else', async () => {
    const older = await operatorKey(stack.file, ['members:write', 'operations:read'], stack.file.tenant.id);
    const body = { tenant_id: 'my-site', user_id: 'wp-17', tier: 'freewire' };
    const made = await older.call<{ member: { externalId: string }; operation: { id: string } }>(
      'POST',
      '/v1/tenants',
      body,
    );
    expect(made.status).toBe(201);
    expect(made.body.member.externalId).toBe('wp-17');
    expect(await api.finished(made.body.operation.id)).toMatchObject({ status: 'succeeded' });
    expect((await api.call('POST', '/v1/tenants', body)).status).toBe(403);
  });

  it('tells the steps of an operation as events, and resumes after the last one seen', async () => {
    const { operation } = (await api.put('eve', 'freewire')).body;
    const events = async (headers: Record<string, string> = {}): Promise<string> => {
      const url = `${stack.file.controlPlane.url}/v1/operations/${operation!.id}/events`;
      const authorization = `Bearer ${stack.file.tenant.apiKey}`;
      return (await fetch(url, { headers: { authorization, ...headers }, signal: AbortSignal.timeout(20_000) })).text();
    };
    const text = await events();
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => match[1]!);
    expect(ids.length).toBeGreaterThan(2);
    expect(text).toMatch(/event: done\ndata: .*"status":"succeeded"/);
    const rest = await events({ 'last-event-id': ids.at(-2)! });
    expect([...rest.matchAll(/^id: (\d+)$/gm)].map((match) => match[1])).toEqual([ids.at(-1)]);
  });

  it('changes a member only from the version that the caller has seen, when it says which', async () => {
    const body = { email: 'etag@example.com', name: 'Etta', tier: 'freewire' };
    const first = await api.call('PUT', '/v1/members/etag', body);
    const seen = first.headers.get('etag')!;
    expect((await api.call('GET', '/v1/members/etag')).headers.get('etag')).toBe(seen);
    const changed = await api.call('PUT', '/v1/members/etag', { ...body, name: 'Etta B' }, { 'if-match': seen });
    expect(changed.status).toBe(202);
    expect((await api.call('PUT', '/v1/members/etag', { ...body, name: 'C' }, { 'if-match': seen })).status).toBe(412);
  });

  it('shows another tenant nothing at all', async () => {
    const other = await otherTenant(stack.file);
    const operation = (await api.put('zoe', 'freewire')).body.operation!;
    await api.finished(operation.id);
    const calls: [string, string, unknown?][] = [
      ['GET', '/v1/members/ann'],
      ['POST', '/v1/members/ann/pause', {}],
      ['POST', '/v1/members/ann/resume', {}],
      ['POST', '/v1/members/ann/cancel', {}],
      ['POST', '/v1/members/ann/erase', {}],
      ['POST', '/v1/members/ann/sign-in-links', {}],
      ['GET', `/v1/operations/${operation.id}`],
      ['GET', `/v1/operations/${operation.id}/events`],
      ['POST', '/v1/tokens', { member: 'ann', surface: 'web' }],
      ['POST', '/v1/tokens/revoke', { member: 'ann' }],
    ];
    for (const [method, path, body] of calls) {
      expect([path, (await other.call(method, path, body)).status]).toEqual([path, 404]);
    }
    expect((await other.call<{ items: unknown[] }>('GET', '/v1/members')).body.items).toEqual([]);
    const token = await api.token('sol');
    const wrongDoor = { ...token, url: token.url.replace('/t/demo/', '/t/other/') };
    expect((await http(wrongDoor, 'POST', '/chat', { text: 'hi' })).status).toBe(404);
  });
});
