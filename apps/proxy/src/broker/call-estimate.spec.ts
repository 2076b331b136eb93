import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ESTIMATE, estimateCall } from './call-estimate.js';

const of = (document: unknown, model = 'claude-haiku-4-5') => {
  const body = Buffer.from(JSON.stringify(document));
  return { body, ...estimateCall(body, body.length, model) };
};

describe('estimateCall', () => {
  it('sets aside the input generously and the output as far as it was asked for', () => {
    const { body, model, inputTokens, reserve } = of({ model: 'claude-haiku-4-5', max_tokens: 300, messages: [] }, 'x');
    const input = Math.ceil(body.length / 3);
    expect([model, inputTokens]).toEqual(['claude-haiku-4-5', Math.ceil(body.length / 4)]);
    expect(reserve).toEqual({ tokens: input + 300, micros: input + 300 * 5 });
  });

  it.each([
    [{}, ESTIMATE.unboundedOutput],
    [{ max_tokens: 10 }, 10],
    [{ max_tokens: 10, max_completion_tokens: 20 }, 20],
    [{ max_tokens: 10, n: 3 }, 30],
    [{ max_tokens: 1e12 }, ESTIMATE.mostOutput],
    [{ max_tokens: -1 }, ESTIMATE.unboundedOutput],
    [{ max_tokens: '5' }, ESTIMATE.unboundedOutput],
  ])('reads the output limit of %j', (document, output) => {
    const { body, reserve } = of(document);
    expect(reserve.tokens).toBe(Math.ceil(body.length / 3) + output);
  });

  it('counts pictures by themselves and not by their base64, in both formats and inside tool results', () => {
    const data = 'A'.repeat(300_000);
    const image = { type: 'image', source: { type: 'base64', data } };
    const openai = { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } };
    for (const content of [[image], [openai], [{ type: 'tool_result', content: [image] }]]) {
      const { reserve } = of({ max_tokens: 1, messages: [{ role: 'user', content }] });
      expect(reserve.tokens).toBeGreaterThan(ESTIMATE.imageTokens);
      expect(reserve.tokens).toBeLessThan(ESTIMATE.imageTokens + 200);
    }
  });

  it('expects much of a document that the provider fetches', () => {
    const content = [{ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }];
    const { reserve } = of({ max_tokens: 1, messages: [{ role: 'user', content }] });
    expect(reserve.tokens).toBeGreaterThan(ESTIMATE.referredDocumentTokens);
  });

  it('sets more aside for input that is written to a cache', () => {
    const plain = of({ max_tokens: 1, messages: [] }).reserve.micros;
    const cached = of({ max_tokens: 1, messages: [], x: { '"cache_control"': 1, cache_control: { ttl: '1h' } } });
    expect(cached.reserve.micros).toBeGreaterThan(plain * 1.9);
  });

  it('goes by the length of what was not read, within what a model takes', () => {
    expect(estimateCall(undefined, 3_000, 'm').reserve.tokens).toBe(1_000 + ESTIMATE.unboundedOutput);
    const most = ESTIMATE.mostUnreadInput + ESTIMATE.unboundedOutput;
    expect([30_000_000, -1].map((length) => estimateCall(undefined, length, 'm').reserve.tokens)).toEqual([most, most]);
  });

  it('never fails, whatever the body holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const body = Buffer.from(text);
        const { reserve } = estimateCall(body, body.length, 'm');
        expect(reserve.tokens).toBeGreaterThan(0);
      }),
    );
    const wide = Buffer.from(`{"messages":[${'0,'.repeat(400_000)}0]}`);
    expect(estimateCall(wide, wide.length, 'm').reserve.tokens).toBeGreaterThan(0);
  });
});
