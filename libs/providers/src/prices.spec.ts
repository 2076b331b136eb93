import { describe, expect, it } from 'vitest';
import { costMicrosOf, costOf, DEFAULT_MODELS } from './prices.js';

describe('prices', () => {
  it('charges input and output per million tokens', () => {
    expect(costOf('claude-sonnet-5-5', { inputTokens: 1_000_000, outputTokens: 100_000 })).toBe(3);
    expect(costOf('claude-haiku-4-5-20251001', { inputTokens: 1000, outputTokens: 200 })).toBe(0.002);
  });

  it('knows no cost for a model without a price, which is not the same as free', () => {
    expect(costOf('someone-elses-model', { inputTokens: 10, outputTokens: 10 })).toBeNull();
    expect(costOf('offline', { inputTokens: 10, outputTokens: 10 })).toBe(0);
  });

  it('has a price for the default model of Anthropic', () => {
    expect(costOf(DEFAULT_MODELS.anthropic, { inputTokens: 1, outputTokens: 1 })).not.toBeNull();
  });

  it('charges what comes from a cache and what is written to it at their own prices', () => {
    const nothing = { input: 0, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0, output: 0 };
    const cost = (tokens: Partial<typeof nothing>) => costMicrosOf('claude-haiku-4-5', { ...nothing, ...tokens });
    expect(cost({ input: 1000, output: 10 })).toBe(1_050);
    expect([cost({ cacheRead: 1000 }), cost({ cacheWrite: 1000 }), cost({ cacheWriteHour: 1000 })]).toEqual([
      100, 1_250, 2_000,
    ]);
    expect(costMicrosOf('gpt-5-mini-2025-08-07', { ...nothing, cacheRead: 1000, output: 1 })).toBe(27);
    expect(costMicrosOf('nobody-knows', nothing)).toBeNull();
  });
});
