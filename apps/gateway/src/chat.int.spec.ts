import type { ChatAnswer, SessionView } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChatClient } from './testing/chat-client.js';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
import { Tenant } from './testing/tenant.js';

let api: ModelApi;
let tenant: Tenant;
let gateway: GatewayProcess;
let count = 0;

/** A fresh agent per test: sessions and keys of one never meet those of another. */
const agents: ReturnType<Tenant['agent']>[] = [];
let agent: ReturnType<Tenant['agent']>;
let token: string;
let key = 0;
const nextKey = () => `key-${(key += 1)}`;

async function use(changes: Parameters<Tenant['agent']>[1] = {}): Promise<void> {
  count += 1;
  agent = tenant.agent(`a${count}`, changes);
  agents.push(agent);
  giveAgentCredential(gateway.home, agent.agentId, `broker-credential-${agent.agentId}`);
  const response = await gateway.control('PUT', '/config', tenant.config('gw_chat', api.url, agents, count));
  expect(response.status).toBe(200);
  token = await tenant.token(agent);
}

const chat = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/a/${agent.agentId}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const ask = async (body: unknown) => (await (await chat(body)).json()) as ChatAnswer;
const connect = (resume?: { session: string; after: number }) =>
  ChatClient.connect(`${gateway.wsUrl}/a/${agent.agentId}/ws`, token, resume);

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
  gateway = await GatewayProcess.start(createHome('gw_chat'));
});
beforeEach(() => use());
afterAll(async () => {
  await gateway.end('SIGKILL');
  await api.close();
  removeHomes();
});

describe('a socket', () => {
  it('gets accepted, deltas as they come and done, numbered without a gap', async () => {
    const client = await connect();
    client.say('[[words 20]] [[chunk-delay 30]]', nextKey());
    const done = await client.waitFor('done');
    expect(client.seqs()).toEqual(client.seqs().map((_, index) => index + 1));
    expect(client.of('accepted')).toHaveLength(1);
    expect(client.of('response').length).toBeGreaterThan(10);
    expect(client.shown(done.task)).toBe(done.text);
    expect(done).toMatchObject({ model: 'claude-sonnet-5-5', usage: { outputTokens: expect.any(Number) } });
    expect(done.cost).toBeGreaterThan(0);
    client.close();
  });

  it("calls the model with the agent's own credential and the system prompt of its member", async () => {
    const client = await connect();
    client.say('hello', nextKey());
    await client.waitFor('done');
    const request = api.requests.at(-1)!;
    expect(request.apiKey).toBe(`broker-credential-${agent.agentId}`);
    expect(request.path).toBe('/anthropic/v1/messages');
    expect(request.body['system']).toContain(agent.memberName);
    expect(request.body['system']).toContain('Acme Club');
    client.close();
  });

  it('answers the messages of one session in order, and remembers them', async () => {
    const client = await connect();
    client.say('one [[chunk-delay 20]]', nextKey());
    client.say('two', nextKey());
    client.say('three', nextKey());
    await client.waitFor('done', 3);
    expect(client.of('done').map((frame) => frame.text)).toEqual([
      'Answer to "one [[chunk-delay 20]]" (message 1).',
      'Answer to "two" (message 3).',
      'Answer to "three" (message 5).',
    ]);
    client.close();
  });

  it('works beside the sockets of other sessions', async () => {
    const [slow, quick] = await Promise.all([connect(), connect()]);
    slow.say('[[words 40]] [[chunk-delay 50]]', nextKey());
    await slow.waitFor('response');
    quick.say('hi', nextKey());
    await quick.waitFor('done');
    expect(slow.of('done')).toHaveLength(0);
    expect(quick.session).not.toBe(slow.session);
    slow.close();
    quick.close();
  });

  it('gets every frame of a session that another socket talks in', async () => {
    const first = await connect();
    first.say('hello', nextKey());
    await first.waitFor('done');
    const second = await connect({ session: first.session, after: first.seqs().at(-1)! });
    first.say('again', nextKey());
    await Promise.all([first.waitFor('done', 2), second.waitFor('done')]);
    const after = (client: ChatClient) =>
      client.frames.filter((frame) => 'seq' in frame && frame.seq! > first.of('done')[0]!.seq);
    expect(after(second)).toEqual(after(first));
    first.close();
    second.close();
  });

  it('resumes in the middle of an answer and gets each missed frame exactly once', async () => {
    const first = await connect();
    first.say('[[words 30]] [[chunk-delay 30]]', nextKey());
    await first.waitFor('response', 5);
    const seen = [...first.frames];
    const after = first.seqs().at(-1)!;
    first.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const second = await connect({ session: first.session, after });
    const done = await second.waitFor('done');
    const all = [...seen, ...second.frames].flatMap((frame) => ('seq' in frame ? [frame.seq!] : []));
    expect(all).toEqual(all.map((_, index) => index + 1));
    const deltas = [...seen, ...second.frames].flatMap((frame) => (frame.type === 'response' ? [frame.delta] : []));
    expect(deltas.join('')).toBe(done.text);
    second.close();
  });

  it('takes the same idempotency key as the same message: one model call, one answer', async () => {
    const client = await connect();
    const same = nextKey();
    const before = api.requests.length;
    client.say('once', same);
    client.say('once', same);
    await client.waitFor('accepted', 2);
    const done = await client.waitFor('done');
    client.say('once', same);
    await client.waitFor('done', 2);
    expect(client.of('done')[1]).toEqual(done);
    expect(new Set(client.of('accepted').map((frame) => `${frame.task}/${frame.seq}`)).size).toBe(1);
    expect(api.requests.length).toBe(before + 1);
    client.say('other text', same);
    expect(await client.waitFor('error')).toMatchObject({ id: same, code: 'idempotency-key-reused' });
    client.close();
  });

  it('stops an answer on abort, keeps what was said, and goes on with the next message', async () => {
    const client = await connect();
    client.say('[[words 100]] [[chunk-delay 50]]', nextKey());
    const { task } = await client.waitFor('response', 3);
    client.send({ type: 'abort', id: 'a1', task });
    expect(await client.waitFor('error')).toMatchObject({ task, code: 'task-aborted', seq: expect.any(Number) });
    client.send({ type: 'abort', id: 'a2', task });
    expect(await client.waitFor('error', 2)).toMatchObject({ id: 'a2', code: 'task-finished' });
    client.say('next', nextKey());
    await client.waitFor('done');
    await expect.poll(() => api.requests.at(-2)!.aborted).toBe(true);
    client.close();
  });

  it('aborts a message that still waits without ever asking the model', async () => {
    const client = await connect();
    client.say('[[words 10]] [[chunk-delay 50]]', nextKey());
    client.say('never asked', nextKey());
    const { task } = await client.waitFor('accepted', 2);
    client.send({ type: 'abort', id: 'a', task });
    await client.waitFor('done');
    expect(client.of('error')).toMatchObject([{ task, code: 'task-aborted' }]);
    expect(api.requests.filter((request) => request.lastUserText === 'never asked')).toHaveLength(0);
    client.close();
  });

  it('reports an answer that breaks off, and keeps what arrived', async () => {
    const client = await connect();
    client.say('[[cut 2]]', nextKey());
    const error = await client.waitFor('error');
    expect(error).toMatchObject({ code: 'model-stream-cut', seq: expect.any(Number) });
    expect(client.shown(error.task!)).toBe('Answer to ');
    client.close();
  });

  it('closes a client that does not read, which then resumes and misses nothing', async () => {
    const client = await connect();
    const reader = (client.socket as unknown as { _socket: { pause(): void } })._socket;
    reader.pause();
    api.enqueue({ chunks: Array.from({ length: 120 }, () => 'x'.repeat(200_000)), chunkDelayMs: 5 });
    client.say('a very long answer', nextKey());
    await expect
      .poll(
        async () => (await (await fetch(`${gateway.url}/metrics`)).text()).match(/slow_consumers_total (\d+)$/m)?.[1],
        {
          timeout: 15_000,
        },
      )
      .toBe('1');
    client.close();
    const resumed = await connect({ session: client.session, after: 0 });
    const done = await resumed.waitFor('done');
    expect(done.text).toHaveLength(24_000_000);
    expect(resumed.shown(done.task) === done.text).toBe(true);
    expect(resumed.seqs()).toEqual(resumed.seqs().map((_, index) => index + 1));
    resumed.close();
  });

  it('answers a heartbeat', async () => {
    const client = await connect();
    client.send({ type: 'heartbeat' });
    expect(Date.parse((await client.waitFor('heartbeat')).at)).toBeGreaterThan(0);
    client.close();
  });
});

describe('POST /chat', () => {
  it('answers with JSON, and GET /session/:id shows the conversation', async () => {
    const first = await ask({ text: 'hello' });
    expect(first).toMatchObject({ text: 'Answer to "hello" (message 1).', model: 'claude-sonnet-5-5' });
    const second = await ask({ text: 'more', session: first.session });
    expect(second.text).toBe('Answer to "more" (message 3).');
    const view = (await (
      await fetch(`${gateway.url}/session/${first.session}`, { headers: { authorization: `Bearer ${token}` } })
    ).json()) as SessionView;
    expect(view.messages.map((message) => [message.role, message.text, message.status])).toEqual([
      ['user', 'hello', 'completed'],
      ['assistant', first.text, 'completed'],
      ['user', 'more', 'completed'],
      ['assistant', second.text, 'completed'],
    ]);
    expect(view).toMatchObject({ title: 'hello', seq: expect.any(Number) });
  });

  it('streams the frames as server-sent events, and again from the start for the same key', async () => {
    const body = { text: 'hello', idempotencyKey: nextKey() };
    const read = async () => (await (await chat(body, { accept: 'text/event-stream' })).text()).trim().split('\n\n');
    const events = await read();
    expect(events[0]).toMatch(/^event: accepted\nid: 1\ndata: \{/);
    expect(events.at(-1)).toMatch(/^event: done\n/);
    expect(events.length).toBeGreaterThan(2);
    const before = api.requests.length;
    expect(await read()).toEqual(events);
    expect(api.requests.length).toBe(before);
  });

  it('honours the Idempotency-Key header', async () => {
    const headers = { 'idempotency-key': nextKey() };
    const answers = await Promise.all([chat({ text: 'x' }, headers), chat({ text: 'x' }, headers)]);
    const [first, second] = await Promise.all(answers.map((answer) => answer.json()));
    expect(second).toEqual(first);
    expect((await chat({ text: 'y' }, headers)).status).toBe(409);
  });

  it('finishes the answer when the client goes away meanwhile', async () => {
    const gone = new AbortController();
    const started = fetch(`${gateway.url}/chat`, {
      method: 'POST',
      signal: gone.signal,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text: '[[words 8]] [[chunk-delay 40]]', session: 'left-early' }),
    });
    await api.waitForRequests(api.requests.length + 1);
    gone.abort();
    await expect(started).rejects.toThrow(/abort/i);
    await expect
      .poll(async () => {
        const view = await fetch(`${gateway.url}/session/left-early`, {
          headers: { authorization: `Bearer ${token}` },
        });
        return ((await view.json()) as SessionView).messages.map((message) => message.status);
      })
      .toEqual(['completed', 'completed']);
  });

  it("reports the model's faults with their codes", async () => {
    api.enqueue({ status: 401 });
    const rejected = await chat({ text: 'x' });
    expect([rejected.status, await rejected.json()]).toMatchObject([503, { code: 'model-credentials-rejected' }]);
    api.enqueue({ status: 429, retryAfterSeconds: 30 });
    const limited = await chat({ text: 'x' });
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([503, '30']);
    expect(await limited.json()).toMatchObject({ code: 'model-rate-limited' });
  });

  it('tries an overloaded model again before it gives up', async () => {
    api.enqueue({ status: 529, retryAfterSeconds: 1 });
    expect((await ask({ text: 'x' })).text).toBe('Answer to "x" (message 1).');
  });
});

describe('other providers', () => {
  it('talks to an OpenAI-compatible model', async () => {
    await use({ model: { provider: 'openai', name: 'some-model', maxOutputTokens: 99 } });
    expect(await ask({ text: 'hello' })).toMatchObject({ text: 'Answer to "hello" (message 1).', cost: null });
    expect(api.requests.at(-1)).toMatchObject({ api: 'openai', apiKey: `broker-credential-${agent.agentId}` });
  });

  it('says plainly that it is offline when it is', async () => {
    await use({ model: { provider: 'offline', name: 'offline', maxOutputTokens: 99 } });
    const before = api.requests.length;
    const client = await connect();
    client.say('hello', nextKey());
    const done = await client.waitFor('done');
    expect(done.text).toContain('This is the offline provider: no model key is configured');
    expect(done).toMatchObject({ model: 'offline', cost: 0 });
    expect(client.shown(done.task)).toBe(done.text);
    expect(client.of('response').length).toBeGreaterThan(1);
    expect(api.requests.length).toBe(before);
    client.close();
  });
});
