import type { TokenUsage } from '#libs/contracts';
import { LIMITS } from '../proxy.limits.js';

const NEWLINE = 10;

/**
 * Reads token counts off a model's answer while it passes, without holding it up or changing it. It looks at one line of
 * a stream (or one JSON answer) at a time and gives up on a piece that is too large: then that piece is not counted.
 */
export class UsageTap {
  #parts: Buffer[] = [];
  #size = 0;
  #skipping = false;
  #input = 0;
  #output = 0;

  /** @param stream true for `text/event-stream`, false for one JSON document. */
  constructor(
    private readonly stream: boolean,
    private readonly limit: number = LIMITS.usagePiece,
  ) {}

  push(chunk: Buffer): void {
    if (!this.stream) return this.#keep(chunk);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#finishLine();
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** Counts so far; call it when the answer has ended, however it ended. */
  end(): TokenUsage {
    this.#finishLine();
    return { inputTokens: this.#input, outputTokens: this.#output };
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#skipping || this.#size > this.limit) {
      this.#skipping = true;
      this.#parts = [];
      return;
    }
    this.#parts.push(part);
  }

  #finishLine(): void {
    const line = this.#skipping || this.#size === 0 ? '' : Buffer.concat(this.#parts, this.#size).toString('utf8');
    this.#parts = [];
    this.#size = 0;
    this.#skipping = false;
    // Most lines of a stream are text deltas: only those that can hold counts are decoded.
    if (!line.includes('"usage"')) return;
    const text = this.stream ? line.replace(/^data:\s*/, '') : line;
    if (text.startsWith('{') || text.trimStart().startsWith('{')) this.#read(text);
  }

  #read(text: string): void {
    const document = decode(text);
    const usage = fields(document['usage']) ?? fields(fields(document['message'])?.['usage']);
    if (!usage) return;
    // Anthropic repeats cumulative counts and OpenAI sends one: the highest is the answer's. Cached input is input too.
    const cached = count(usage['cache_creation_input_tokens']) + count(usage['cache_read_input_tokens']);
    this.#input = Math.max(this.#input, count(usage['input_tokens']) + cached, count(usage['prompt_tokens']));
    this.#output = Math.max(this.#output, count(usage['output_tokens']), count(usage['completion_tokens']));
  }
}

const fields = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;

/** What cannot be decoded (a cut-off answer) is not counted. */
function decode(text: string): Record<string, unknown> {
  try {
    return fields(JSON.parse(text)) ?? {};
  } catch {
    return {};
  }
}
