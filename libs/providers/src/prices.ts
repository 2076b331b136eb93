import type { ProviderName, TokenUsage } from '#libs/contracts';

/** US dollars per million tokens, as the provider publishes them. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
}

/** The model a new tier uses when nobody chose one. */
export const DEFAULT_MODELS: Record<ProviderName, string> = {
  anthropic: 'claude-sonnet-5-5',
  openai: 'gpt-5.1',
  offline: 'offline',
};

/**
 * List prices as of November 2026, by model id without its date. A model that is not here has no cost on record (null),
 * which is never the same as free. Cached input is counted at the full input price: an upper bound.
 */
export const MODEL_PRICES: Readonly<Record<string, ModelPrice>> = {
  'claude-fable-5-1': { input: 10, output: 50 },
  'claude-opus-5-5': { input: 4, output: 20 },
  'claude-opus-5': { input: 5, output: 25 },
  'claude-opus-4-6': { input: 5, output: 25 },
  'claude-opus-4-5': { input: 5, output: 25 },
  'claude-sonnet-5-5': { input: 2, output: 10 },
  'claude-sonnet-5': { input: 2, output: 10 },
  'claude-sonnet-4-6': { input: 3, output: 15 },
  'claude-sonnet-4-5': { input: 3, output: 15 },
  'claude-haiku-4-5': { input: 1, output: 5 },
  offline: { input: 0, output: 0 },
};

/** What a call cost in US dollars, or null when the model has no price on record. */
export function costOf(model: string, usage: TokenUsage): number | null {
  const price = MODEL_PRICES[model] ?? MODEL_PRICES[model.replace(/-\d{8}$/, '')];
  if (!price) return null;
  // Prices are dollars per million: the sum is in millionths of a dollar, kept to a tenth of one.
  const micros = usage.inputTokens * price.input + usage.outputTokens * price.output;
  return Math.round(micros * 10) / 10_000_000;
}
