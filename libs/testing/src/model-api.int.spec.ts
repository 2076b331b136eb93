import Anthropic, { APIError, AuthenticationError, RateLimitError } from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { type ModelApi, startModelApi } from './model-api.js';

let api: ModelApi;
afterEach(() => api.close());

const client = (apiKey = 'key') => new Anthropic({ baseURL: api.url, apiKey, maxRetries: 0 });
const ask = (text: string) => ({ model: 'm', max_tokens: 10, messages: [{ role: 'user' as const, content: text }] });

describe('the model API double as Anthropic', () => {
  it('streams to the real SDK, text and usage whole', async () => {
    api = await startModelApi();
    const message = await client().messages.stream(ask('hello')).finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: 'Answer to "hello" (message 1).' }]);
    expect(message.usage.output_tokens).toBe(8);
    expect(message.stop_reason).toBe('end_turn');
  });

  it('answers without streaming too', async () => {
    api = await startModelApi();
    expect((await client().messages.create(ask('hi'))).content).toMatchObject([
      { text: 'Answer to "hi" (message 1).' },
    ]);
  });

  it('refuses an unknown key and records it', async () => {
    api = await startModelApi({ apiKeys: ['right'] });
    await expect(client('wrong').messages.create(ask('x'))).rejects.toBeInstanceOf(AuthenticationError);
    expect(api.requests.map((request) => request.apiKey)).toEqual(['wrong']);
  });

  it('answers scripted errors with retry-after', async () => {
    api = await startModelApi();
    api.enqueue({ status: 429, retryAfterSeconds: 7 });
    const error = await client()
      .messages.create(ask('x'))
      .catch((e: unknown) => e as APIError);
    expect(error).toBeInstanceOf(RateLimitError);
    expect((error as APIError).headers?.get('retry-after')).toBe('7');
  });

  it('cuts a stream after the chunks it was told', async () => {
    api = await startModelApi();
    const seen: string[] = [];
    const stream = client()
      .messages.stream(ask('[[cut 2]]'))
      .on('text', (text) => void seen.push(text));
    await expect(stream.finalMessage()).rejects.toThrow(/terminated|connection/i);
    expect(seen.join('')).toBe('Answer to ');
  });
});

describe('the model API double as OpenAI', () => {
  it('streams chunks, usage and [DONE]', async () => {
    api = await startModelApi();
    const body = { model: 'm', stream: true, stream_options: { include_usage: true }, messages: ask('hello').messages };
    const response = await fetch(`${api.openAiUrl}/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
    const data = (await response.text()).split('\n\n').map((block) => block.replace(/^data: /, ''));
    expect(data.at(-2)).toBe('[DONE]');
    const chunks = data.slice(0, -2).map((text) => JSON.parse(text));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(
      'Answer to "hello" (message 1).',
    );
    expect(chunks.at(-1).usage.completion_tokens).toBe(8);
  });
});
