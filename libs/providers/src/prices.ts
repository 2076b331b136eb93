import type { ProviderName, TokenUsage } from '#libs/contracts';

/** US dollars per million tokens, as the provider publishes them. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  /** Share of the input price that input from the provider's cache costs. */
  readonly cacheRead: number;
  /** The same for input written to the cache, for five minutes and for an hour. */
  readonly cacheWrite: number;
  readonly cacheWriteHour: number;
}

/** Tokens of one call as providers bill them: the four kinds of input do not overlap. */
export interface BilledTokens {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly cacheWriteHour: number;
  readonly output: number;
}

const anthropic = (input: number, output: number): ModelPrice => ({
  input,
  output,
  cacheRead: 0.1,
  cacheWrite: 1.25,
  cacheWriteHour: 2,
});
/** Writing to OpenAI's cache costs nothing extra. */
const openai = (input: number, output: number): ModelPrice => ({
  input,
  output,
  cacheRead: 0.1,
  cacheWrite: 1,
  cacheWriteHour: 1,
});

/** The model a new tier uses when nobody chose one. */
export const DEFAULT_MODELS: Record<ProviderName, string> = {
  anthropic: 'claude-sonnet-5-5',
  openai: 'gpt-5.1',
  offline: 'offline',
};

/**
 * List prices as of November 2026, by model id without its date. A model that is not here has no cost on record (null),
 * which is never the same as free.
 */
export const MODEL_PRICES: Readonly<Record<string, ModelPrice>> = {
  'claude-fable-5-1': anthropic(10, 50),
  'claude-opus-5-5': anthropic(4, 20),
  'claude-opus-5': anthropic(5, 25),
  'claude-opus-4-6': anthropic(5, 25),
  'claude-opus-4-5': anthropic(5, 25),
  'claude-sonnet-5-5': anthropic(2, 10),
  'claude-sonnet-5': anthropic(2, 10),
  'claude-sonnet-4-6': anthropic(3, 15),
  'claude-sonnet-4-5': anthropic(3, 15),
  'claude-haiku-4-5': anthropic(1, 5),
  'gpt-5.1': openai(1.25, 10),
  'gpt-5': openai(1.25, 10),
  'gpt-5-mini': openai(0.25, 2),
  'gpt-5-nano': openai(0.05, 0.4),
  offline: anthropic(0, 0),
};

/** Dates are written `-20251001` by Anthropic and `-2025-10-01` by OpenAI. */
export const priceOf = (model: string): ModelPrice | undefined =>
  MODEL_PRICES[model] ?? MODEL_PRICES[model.replace(/-(?:\d{8}|\d{4}-\d{2}-\d{2})$/, '')];

/** What a call cost in millionths of a US dollar, rounded up; null when the model has no price on record. */
export function costMicrosOf(model: string, tokens: BilledTokens): number | null {
  const price = priceOf(model);
  if (!price) return null;
  const input =
    tokens.input +
    tokens.cacheRead * price.cacheRead +
    tokens.cacheWrite * price.cacheWrite +
    tokens.cacheWriteHour * price.cacheWriteHour;
  // Prices are dollars per million: the sum is in millionths already. The margin keeps 0.1 + 0.2 from costing one more.
  return Math.ceil(input * price.input + tokens.output * price.output - 1e-6);
}

/** What a call cost in US dollars with nothing cached (an upper bound), or null when the model has no price on record. */
export function costOf(model: string, usage: TokenUsage): number | null {
  const price = priceOf(model);
  if (!price) return null;
  // Prices are dollars per million: the sum is in millionths of a dollar, kept to a tenth of one.
  const micros = usage.inputTokens * price.input + usage.outputTokens * price.output;
  return Math.round(micros * 10) / 10_000_000;
}
