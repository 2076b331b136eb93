import type { BilledTokens } from '#libs/providers';

export type Fields = Record<string, unknown>;
/** The four kinds of input do not overlap. */
export type Counts = BilledTokens;

export const fields = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null ? (value as Fields) : undefined;

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;

/** The counts of a provider's `usage` object. */
export function countsOf(usage: Fields): Counts {
  return 'prompt_tokens' in usage || 'completion_tokens' in usage ? openAiCounts(usage) : anthropicCounts(usage);
}

/** Cached input comes beside `input_tokens`. */
function anthropicCounts(usage: Fields): Counts {
  const written = count(usage['cache_creation_input_tokens']);
  const hour = Math.min(written, count(fields(usage['cache_creation'])?.['ephemeral_1h_input_tokens']));
  return {
    input: count(usage['input_tokens']),
    cacheRead: count(usage['cache_read_input_tokens']),
    cacheWrite: written - hour,
    cacheWriteHour: hour,
    output: count(usage['output_tokens']),
  };
}

/** Cached input is part of `prompt_tokens`. */
function openAiCounts(usage: Fields): Counts {
  const prompt = count(usage['prompt_tokens']);
  const cached = Math.min(prompt, count(fields(usage['prompt_tokens_details'])?.['cached_tokens']));
  const output = count(usage['completion_tokens']);
  return { input: prompt - cached, cacheRead: cached, cacheWrite: 0, cacheWriteHour: 0, output };
}

export const allInput = (counts: Counts): number =>
  counts.input + counts.cacheRead + counts.cacheWrite + counts.cacheWriteHour;

/** Where the streams of both formats carry what a model writes: text, thinking, and the arguments of tools. */
const WRITTEN = ['text', 'content', 'thinking', 'partial_json', 'arguments', 'reasoning_content', 'reasoning'].map(
  (name) => `"${name}":"`,
);
const QUOTE = 34;
const BACKSLASH = 92;

/** Characters of generated text in one line of a stream, without decoding it. */
export function writtenIn(line: string): number {
  let total = 0;
  for (const key of WRITTEN) {
    const at = line.indexOf(key);
    if (at !== -1) total += textLength(line, at + key.length);
  }
  return total;
}

function textLength(line: string, from: number): number {
  let length = 0;
  for (let at = from; at < line.length; at += 1) {
    const code = line.charCodeAt(at);
    if (code === QUOTE) return length;
    if (code === BACKSLASH) at += 1;
    length += 1;
  }
  return length;
}
