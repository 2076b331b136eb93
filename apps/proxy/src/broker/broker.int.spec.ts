import { startModelApi, type ModelApi } from '#libs/testing';
import Anthropic, { AuthenticationError } from '@anthropic-ai/sdk';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentRoute, credentialOf, id, Stack, until } from '../../test/stack.fixture.js';

const KEY = 'platform-key-that-nobody-sees';
const OPENAI_KEY = 'platform-openai-key';
const stack = new Stack();
let api: ModelApi;
const mine = credentialOf(id('agt', 'a'));
const openAiAgent = credentialOf(id('agt', 'o'));

beforeAll(async () => {
  api = await startModelApi({ apiKeys: [KEY, OPENAI_KEY] });
  await stack.start({
    ANTHROPIC_API_KEY: KEY,
    ANTHROPIC_BASE_URL: api.url,
    OPENAI_API_KEY: OPENAI_KEY,
    OPENAI_BASE_URL: api.openAiUrl,
  });
  stack.version += 1;
  const upsert = [agentRoute('o', 'acme', 1, { model: { provider: 'openai', name: 'm' } })];
  stack.control.send({ type: 'delta', from: 1, version: 2, agents: { upsert, remove: [] } });
  await until(async () => (await (await fetch(`${stack.url}/metrics`)).text()).includes('wirebot_proxy_agents 4'));
});
afterAll(async () => {
  await stack.stop();
  await api.close();
});

const client = (apiKey = mine) => new Anthropic({ apiKey, baseURL: `${stack.brokerUrl}/anthropic`, maxRetries: 0 });
const hello = { model: 'claude-test', max_tokens: 64, messages: [{ role: 'user' as const, content: 'hello' }] };
const post = (
  path: string,
  headers: Record<string, string>,
  body: BodyInit = JSON.stringify(hello),
  signal?: AbortSignal,
) =>
  fetch(`${stack.brokerUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    signal,
  });

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.split(' ')
      .at(-1) ?? 0,
  );
};

describe('the model broker', () => {
  it("serves the real SDK with the platform key in place of the agent's credential", async () => {
    const answer = await client().messages.create(hello);
    expect(answer.content[0]).toMatchObject({ type: 'text', text: expect.stringContaining('hello') });
    const seen = api.requests.at(-1)!;
    expect(seen.apiKey).toBe(KEY);
    expect(JSON.stringify(seen.headers)).not.toContain(mine);
  });

  it('keeps beta headers and the version', async () => {
    await post('/anthropic/v1/messages?beta=true', {
      'x-api-key': mine,
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'b-1',
    });
    expect(api.requests.at(-1)).toMatchObject({
      path: '/v1/messages?beta=true',
      headers: { 'anthropic-beta': 'b-1', 'anthropic-version': '2023-06-01' },
    });
  });

  it('streams deltas as they come and counts tokens per tenant without altering the stream', async () => {
    const label = `wirebot_broker_tokens_total{tenant="${id('ten', 'acme')}",provider="anthropic",direction="output"}`;
    const before = await metric(label);
    api.enqueue({ chunks: ['one ', 'two ', 'three'], chunkDelayMs: 150 });
    const times: number[] = [];
    const stream = client().messages.stream(hello);
    stream.on('text', () => times.push(Date.now()));
    const final = await stream.finalMessage();
    expect(final.content[0]).toMatchObject({ text: 'one two three' });
    expect(times[2]! - times[0]!).toBeGreaterThan(200);
    await until(async () => (await metric(label)) === before + final.usage.output_tokens);
  });

  it('serves OpenAI-compatible clients', async () => {
    const answer = await post('/openai/v1/chat/completions', { authorization: `Bearer ${openAiAgent}` });
    expect(await answer.json()).toMatchObject({ choices: [{ message: { role: 'assistant' } }] });
    expect(api.requests.at(-1)).toMatchObject({ apiKey: OPENAI_KEY, path: '/v1/chat/completions' });
  });

  it('aborts the provider when the agent goes away', async () => {
    api.enqueue({ chunks: Array.from({ length: 100 }, () => 'x '), chunkDelayMs: 50 });
    const count = api.requests.length;
    const abort = new AbortController();
    const body = JSON.stringify({ ...hello, stream: true });
    const answer = await post(
      '/anthropic/v1/messages',
      { 'x-api-key': mine, 'anthropic-version': '2023-06-01' },
      body,
      abort.signal,
    );
    await answer.body!.getReader().read();
    abort.abort();
    await until(() => api.requests[count]!.aborted);
    expect(api.requests).toHaveLength(count + 1);
  });

  it.each([
    ['no credential', {}],
    ['another secret', { 'x-api-key': `wbk_${id('agt', 'a')}_${'wrong0'.repeat(6)}` }],
    ['the secret of another agent', { 'x-api-key': mine.replace(id('agt', 'a'), id('agt', 'b')) }],
    ['an agent that does not exist', { 'x-api-key': `wbk_${id('agt', 'zz')}_${'s3cret'.repeat(6)}` }],
    ['the platform key itself', { 'x-api-key': KEY }],
  ])('refuses %s in the format of the provider', async (_name, headers) => {
    const count = api.requests.length;
    const anthropic = await post('/anthropic/v1/messages', headers);
    expect([anthropic.status, await anthropic.json()]).toEqual([
      401,
      { type: 'error', error: { type: 'authentication_error', message: expect.any(String) } },
    ]);
    const openai = await post('/openai/v1/chat/completions', headers);
    expect([openai.status, await openai.json()]).toMatchObject([
      401,
      { error: { code: 'credential-unknown', type: 'invalid_request_error' } },
    ]);
    expect(api.requests).toHaveLength(count);
  });

  it("raises the SDK's own kind of error", async () => {
    await expect(client('wbk_agt_x_nothing00').messages.create(hello)).rejects.toBeInstanceOf(AuthenticationError);
  });

  it("offers the wanted paths only, and only of the agent's own provider", async () => {
    for (const path of [
      '/anthropic/v1/files',
      '/anthropic/v1/messages/batches',
      '/openai/v1/embeddings',
      '/',
      '/anthropic/v1/messages/',
    ]) {
      expect([path, (await post(path, { 'x-api-key': mine })).status]).toEqual([path, 404]);
    }
    expect((await fetch(`${stack.brokerUrl}/anthropic/v1/messages`, { headers: { 'x-api-key': mine } })).status).toBe(
      404,
    );
    expect((await post('/openai/v1/chat/completions', { 'x-api-key': mine })).status).toBe(403);
  });

  it('bounds the calls an agent has in flight, and frees them again', async () => {
    const quick = { 'x-api-key': mine, 'anthropic-version': '2023-06-01' };
    const count = api.requests.length;
    api.enqueue(...Array.from({ length: 8 }, () => ({ firstTokenDelayMs: 300 })));
    const calls = Array.from({ length: 8 }, () => post('/anthropic/v1/messages', quick));
    await until(() => api.requests.length === count + 8);
    const ninth = await post('/anthropic/v1/messages', quick);
    expect([ninth.status, await ninth.json()]).toMatchObject([429, { error: { type: 'rate_limit_error' } }]);
    expect(ninth.headers.get('retry-after')).toBe('1');
    expect((await Promise.all(calls)).every((answer) => answer.status === 200)).toBe(true);
    expect((await post('/anthropic/v1/messages', quick)).status).toBe(200);
  });

  it("passes provider errors on, but not those about the platform's own key", async () => {
    const quick = { 'x-api-key': mine, 'anthropic-version': '2023-06-01' };
    api.enqueue({ status: 529, message: 'overloaded' });
    expect((await post('/anthropic/v1/messages', quick)).status).toBe(529);
    api.enqueue({ status: 401, message: `invalid key ${KEY}` });
    const refused = await post('/anthropic/v1/messages', quick);
    const text = await refused.text();
    expect([refused.status, text.includes('model-provider-key-refused'), text.includes(KEY)]).toEqual([
      503,
      true,
      false,
    ]);
  });

  it('refuses a body beyond 32 MiB', async () => {
    const answer = await post('/anthropic/v1/messages', { 'x-api-key': mine }, Buffer.alloc(33 * 1024 * 1024));
    expect([answer.status, await answer.json()]).toMatchObject([413, { error: { type: 'request_too_large' } }]);
  });

  it('never shows a key or credential in its logs', async () => {
    const all = stack.logs.join('');
    for (const secret of [KEY, OPENAI_KEY, mine]) expect(all).not.toContain(secret);
  });
});

describe('the model broker in trouble', () => {
  let silent: Server;
  const other = new Stack();
  beforeAll(async () => {
    silent = createServer((req) => req.socket.destroy());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    await other.start({
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    });
  });
  afterAll(async () => {
    await other.stop();
    await new Promise((resolve) => silent.close(resolve));
  });

  it('says when no provider is configured, and when it cannot be reached', async () => {
    other.version += 1;
    const upsert = [agentRoute('b', 'acme', 1, { model: { provider: 'openai', name: 'm' } })];
    other.control.send({ type: 'delta', from: 1, version: 2, agents: { upsert, remove: [] } });
    const ask = (path: string, credential: string) =>
      fetch(`${other.brokerUrl}${path}`, { method: 'POST', headers: { 'x-api-key': credential }, body: '{}' });
    await until(async () => (await ask('/openai/v1/chat/completions', credentialOf(id('agt', 'b')))).status === 503);
    const missing = await ask('/openai/v1/chat/completions', credentialOf(id('agt', 'b')));
    expect(await missing.json()).toMatchObject({
      error: { code: 'model-provider-not-configured', type: 'server_error' },
    });
    const unreachable = await ask('/anthropic/v1/messages', credentialOf(id('agt', 'a')));
    expect([unreachable.status, await unreachable.text()]).toEqual([
      503,
      expect.stringContaining('model-provider-unreachable'),
    ]);
  });

  it('keeps working from the routes on disk with the control plane gone', async () => {
    await other.proxy.stop();
    await other.control.stop();
    await other.startProxy({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: api.url });
    const answer = await fetch(`${other.brokerUrl}/anthropic/v1/messages`, {
      method: 'POST',
      headers: {
        'x-api-key': credentialOf(id('agt', 'a')),
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
      },
      body: JSON.stringify(hello),
    });
    expect(answer.status).toBe(200);
  });
});
