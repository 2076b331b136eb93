import { describe, expect, it } from 'vitest';
import { costOf, DEFAULT_MODELS } from './prices.js';

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
});
