import { type ModelApi, startModelApi } from '#libs/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ModelEvent } from './model-provider.js';
import { ModelRouter, ROUTER_LIMITS } from './router.js';

const limits = { ...ROUTER_LIMITS, backoffMs: { base: 1, cap: 2 } };
const router = new ModelRouter(undefined, limits);
let api: ModelApi;
beforeEach(async () => void (api = await startModelApi({ apiKeys: ['right'] })));
afterEach(() => api.close());

describe.each(['anthropic', 'openai'] as const)('%s through the router', (provider) => {
  const run = async (text: string, apiKey = 'right', controller = new AbortController(), abortAfter = Infinity) => {
    const endpoint = { baseUrl: provider === 'anthropic' ? api.url : api.openAiUrl, apiKey };
    const call = { model: 'm', maxOutputTokens: 99, system: 'Be brief.', messages: [{ role: 'user' as const, text }] };
    const events: ModelEvent[] = [];
    try {
      for await (const event of router.stream(provider, call, endpoint, controller.signal)) {
        events.push(event);
        if (events.length >= abortAfter) controller.abort(new Error('enough'));
      }
    } catch (error) {
      return { text: textOf(events), events, error: error as { code?: string; message: string; retryAfter?: number } };
    }
    return { text: textOf(events), events, error: undefined };
  };
  const textOf = (events: ModelEvent[]) => events.map((event) => (event.type === 'delta' ? event.text : '')).join('');

  it('streams an answer in deltas and ends with usage', async () => {
    const { text, events, error } = await run('hello');
    expect(error).toBeUndefined();
    expect(text).toBe('Answer to "hello" (message 1).');
    expect(events.length).toBeGreaterThan(3);
    expect(events.at(-1)).toMatchObject({
      type: 'finish',
      reason: 'stop',
      estimated: false,
      usage: { outputTokens: 8 },
    });
    expect(api.requests[0]!.body['max_tokens']).toBe(99);
  });

  it('reports a refused key without trying again, and never names the key', async () => {
    const { error } = await run('hello', 'wrong-key-value');
    expect(error).toMatchObject({ code: 'model-credentials-rejected' });
    expect(error!.message).not.toContain('wrong-key-value');
    expect(api.requests).toHaveLength(1);
  });

  it('tries an overloaded model again', async () => {
    api.enqueue({ status: 529 }, { status: 500 });
    expect((await run('hello')).text).toBe('Answer to "hello" (message 1).');
    expect(api.requests).toHaveLength(3);
  });

  it.each([
    ['model-provider-not-configured', 'model-not-configured'],
    ['model-provider-key-refused', 'model-credentials-rejected'],
  ])("tells the broker's %s from a busy model", async (problem, code) => {
    api.enqueue({ status: 503, message: `${problem}: The operator has to act.` });
    expect((await run('hello')).error).toMatchObject({ code });
    expect(api.requests).toHaveLength(1);
  });

  it('hands on a long retry-after', async () => {
    api.enqueue({ status: 429, retryAfterSeconds: 42 });
    expect((await run('hello')).error).toMatchObject({ code: 'model-rate-limited', retryAfter: 42 });
  });

  it.each(['[[cut 2]]', '[[end 2]]', '[[error-after 2]]'])(
    'reports a stream that breaks in the middle: %s',
    async (how) => {
      const { text, error } = await run(how);
      expect(error?.code).toBe(
        how.startsWith('[[error') && provider === 'anthropic' ? 'model-overloaded' : 'model-stream-cut',
      );
      expect(text).toBe('Answer to ');
      expect(api.requests).toHaveLength(1);
    },
  );

  it('stops the request when the caller aborts', async () => {
    const { error } = await run('[[words 100]] [[chunk-delay 20]]', 'right', new AbortController(), 3);
    expect(error?.message).toBe('enough');
    await expect.poll(() => api.requests[0]!.aborted).toBe(true);
  });

  it('reports an address where nobody listens', async () => {
    const gone = await startModelApi();
    await gone.close();
    const call = { model: 'm', maxOutputTokens: 9, system: 's', messages: [{ role: 'user' as const, text: 'x' }] };
    const events = router.stream(provider, call, { baseUrl: gone.url, apiKey: 'k' }, new AbortController().signal);
    await expect(events.next()).rejects.toMatchObject({ code: 'model-unreachable' });
  });
});
