import type { UsageRecordReport } from '#libs/contracts';
import { startModelApi, type ModelApi } from '#libs/testing';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentRoute, credentialOf, id, Stack, until } from '../../test/stack.fixture.js';

const stack = new Stack();
let api: ModelApi;
const mine = credentialOf(id('agt', 'a'));
const openAi = credentialOf(id('agt', 'o'));

beforeAll(async () => {
  api = await startModelApi();
  await stack.start({
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: api.url,
    OPENAI_API_KEY: 'k',
    OPENAI_BASE_URL: api.openAiUrl,
  });
  stack.version += 1;
  const upsert = [agentRoute('o', 'acme', 1, { model: { provider: 'openai', name: 'gpt-5-mini' }, tierKey: 'gold' })];
  stack.control.send({ type: 'delta', from: 1, version: 2, agents: { upsert, remove: [] } });
  await until(async () => (await (await fetch(`${stack.url}/metrics`)).text()).includes('wirebot_proxy_agents 4'));
});
afterAll(async () => {
  await stack.stop();
  await api.close();
});

const client = () => new Anthropic({ apiKey: mine, baseURL: `${stack.brokerUrl}/anthropic`, maxRetries: 0 });
const messages = [{ role: 'user' as const, content: 'hello there' }];
const hello = { model: 'claude-haiku-4-5', max_tokens: 64, messages };
const post = (path: string, credential: string, body: object, more: RequestInit = {}, headers = {}) =>
  fetch(`${stack.brokerUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': credential, 'anthropic-version': '1', ...headers },
    body: JSON.stringify(body),
    ...more,
  });

/** The one record that this brings about. */
async function recordOf(work: () => Promise<unknown>): Promise<UsageRecordReport> {
  const before = stack.control.records.length;
  await work();
  await until(() => stack.control.records.length > before);
  expect(stack.control.records).toHaveLength(before + 1);
  return stack.control.records[before]!;
}
const input = Math.ceil(JSON.stringify(['', messages]).length / 4);

describe('a model call', () => {
  it('is recorded with what the provider counted, for a whole answer', async () => {
    const record = await recordOf(() => client().messages.create(hello));
    const outputTokens = Math.ceil('Answer to "hello there" (message 1).'.length / 4);
    expect(record).toEqual({
      id: expect.stringMatching(/^call_/),
      tenantId: id('ten', 'acme'),
      memberId: id('mem', 'a'),
      workspaceId: id('wsp', 'a'),
      agentId: id('agt', 'a'),
      tierKey: 'wire',
      taskId: null,
      provider: 'anthropic',
      model: 'claude-haiku-4-5',
      keyOwner: 'platform',
      inputTokens: input,
      outputTokens,
      cachedTokens: 0,
      costMicros: input + outputTokens * 5,
      outcome: 'completed',
      estimated: false,
      durationMs: expect.any(Number),
      at: expect.stringMatching(/Z$/),
      leaseId: null,
    });
  });

  it('is recorded the same when it streams through the real SDK', async () => {
    const record = await recordOf(() => client().messages.stream(hello).finalMessage());
    expect(record).toMatchObject({ outcome: 'completed', estimated: false, inputTokens: input, outputTokens: 9 });
  });

  it('carries the task that the gateway names, which the provider never sees', async () => {
    const task = { 'x-wirebot-task': 'tsk_01abc' };
    const record = await recordOf(async () => (await post('/anthropic/v1/messages', mine, hello, {}, task)).text());
    expect(record.taskId).toBe('tsk_01abc');
    expect(api.requests.at(-1)!.headers['x-wirebot-task']).toBeUndefined();
    const odd = { 'x-wirebot-task': 'a b' };
    expect((await recordOf(() => post('/anthropic/v1/messages', mine, hello, {}, odd))).taskId).toBeNull();
  });

  it('of an OpenAI client is counted by its usage, and estimated where it did not ask for any', async () => {
    const body = { model: 'gpt-5-mini', messages, stream: true };
    const path = '/openai/v1/chat/completions';
    const asked = { ...body, stream_options: { include_usage: true } };
    const counted = await recordOf(async () => (await post(path, openAi, asked)).text());
    const guessed = await recordOf(async () => (await post(path, openAi, body)).text());
    expect(counted).toMatchObject({ provider: 'openai', tierKey: 'gold', outcome: 'completed', estimated: false });
    expect(guessed).toMatchObject({ outcome: 'completed', estimated: true, outputTokens: counted.outputTokens });
    expect(guessed.inputTokens).toBe(Math.ceil(JSON.stringify(body).length / 4));
    expect(guessed.costMicros).toBe(Math.ceil(guessed.inputTokens * 0.25 + guessed.outputTokens * 2));
  });

  it('is recorded with what was seen when the agent goes away', async () => {
    api.enqueue({ chunks: Array.from({ length: 200 }, () => '12345678'), chunkDelayMs: 20 });
    const abort = new AbortController();
    const record = await recordOf(async () => {
      const answer = await post('/anthropic/v1/messages', mine, { ...hello, stream: true }, { signal: abort.signal });
      const reader = answer.body!.getReader();
      for (let seen = ''; !seen.includes('12345678');) seen += Buffer.from((await reader.read()).value!).toString();
      abort.abort();
    });
    expect(record).toMatchObject({ outcome: 'aborted', estimated: true, inputTokens: input });
    expect(record.outputTokens).toBeGreaterThanOrEqual(2);
    expect(record.outputTokens).toBeLessThan(400);
  });

  it('is recorded with its likely input when the agent goes away before anything came', async () => {
    api.enqueue({ firstTokenDelayMs: 10_000 });
    const abort = new AbortController();
    const count = api.requests.length;
    const record = await recordOf(async () => {
      const answer = post('/anthropic/v1/messages', mine, hello, { signal: abort.signal }).catch(() => undefined);
      await until(() => api.requests.length > count);
      abort.abort();
      await answer;
    });
    const inputTokens = Math.ceil(JSON.stringify(hello).length / 4);
    expect(record).toMatchObject({ outcome: 'aborted', estimated: true, inputTokens, outputTokens: 0 });
  });

  it.each([
    ['cut', { chunks: ['aaaa', 'bbbb', 'cccc'], cutAfterChunks: 2 }],
    ['ended without its end', { chunks: ['aaaa', 'bbbb', 'cccc'], endAfterChunks: 2 }],
    ['ended by a fault of the provider', { chunks: ['aaaa', 'bbbb', 'cccc'], errorAfterChunks: 2 }],
  ])('whose stream is %s counts what came', async (_name, reply) => {
    api.enqueue(reply);
    const record = await recordOf(async () => {
      const answer = await post('/anthropic/v1/messages', mine, { ...hello, stream: true });
      await answer.text().catch(() => undefined);
    });
    expect(record).toMatchObject({ outcome: 'cut-off', estimated: true, inputTokens: input, outputTokens: 2 });
  });

  it('that the provider refuses took nothing', async () => {
    api.enqueue({ status: 529 });
    const record = await recordOf(() => post('/anthropic/v1/messages', mine, hello));
    expect(record).toMatchObject({
      outcome: 'failed',
      estimated: false,
      inputTokens: 0,
      outputTokens: 0,
      costMicros: 0,
    });
  });

  it('of a model without a price has no cost, which is not the same as free', async () => {
    const record = await recordOf(() => client().messages.create({ ...hello, model: 'somebody-elses' }));
    expect(record).toMatchObject({ model: 'somebody-elses', costMicros: null });
  });

  it('is not made of counting tokens or listing models', async () => {
    const before = stack.control.records.length;
    await post('/anthropic/v1/messages/count_tokens', mine, { model: 'm', messages });
    await recordOf(() => client().messages.create(hello));
    expect(stack.control.records).toHaveLength(before + 1);
  });
});

describe('reports', () => {
  it('wait while the control plane refuses, and then come in order, each once', async () => {
    stack.control.refuseReports = 503;
    const before = stack.control.records.length;
    const reports = stack.control.reports;
    for (let i = 0; i < 3; i += 1) await client().messages.create(hello);
    await until(() => stack.control.reports > reports);
    stack.control.refuseReports = undefined;
    await until(() => stack.control.records.length >= before + 3);
    const ids = stack.control.records.slice(before).map((record) => record.id);
    expect(ids).toHaveLength(3);
    expect(ids).toEqual(ids.toSorted());
  });

  it('are not held up by one record that the control plane cannot take', async () => {
    const before = stack.control.records.length;
    stack.control.refuseRecord = (record) => record.outcome === 'failed';
    api.enqueue({}, { status: 500 }, {});
    for (let i = 0; i < 3; i += 1) await post('/anthropic/v1/messages', mine, hello);
    await until(() => stack.control.records.length === before + 2);
    await until(() => stack.logs.some((line) => line.includes('usage record refused')));
    stack.control.refuseRecord = undefined;
    expect(await recordOf(() => client().messages.create(hello))).toMatchObject({ outcome: 'completed' });
  });

  it('carry what was seen of members: foreign agents', async () => {
    const token = await stack.token('b');
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${stack.url}/t/acme/a/${id('agt', 'a')}/health`, { headers })).status).toBe(404);
    await recordOf(() => client().messages.create(hello));
    const expected = { tenantId: id('ten', 'acme'), memberId: id('mem', 'b'), kind: 'foreign-agent', count: 1 };
    await until(() => stack.control.signals.length > 0);
    expect(stack.control.signals).toContainEqual(expected);
  });
});
