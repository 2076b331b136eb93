import { LIMITS } from '../proxy.limits.js';
import { type Counts, countsOf, fields, type Fields, writtenIn } from './usage-counts.js';

const NEWLINE = 10;

/** What an answer told of itself while it passed. */
export interface UsageReading extends Counts {
  /** As the provider names it. */
  readonly model: string | undefined;
  /** The provider counted the input. */
  readonly inputKnown: boolean;
  /** The provider's closing counts arrived: nothing has to be estimated. */
  readonly final: boolean;
  /** The provider's own end of an answer was seen. */
  readonly ended: boolean;
  /** The provider reported a fault in the middle. */
  readonly failed: boolean;
  /** Characters of generated text that passed. */
  readonly written: number;
}

/**
 * Reads token counts off a model's answer while it passes, without holding it up or changing it. It looks at one line of
 * a stream (or one JSON answer) at a time and gives up on a piece that is too large: then that piece is not counted.
 */
export class UsageTap {
  #parts: Buffer[] = [];
  #size = 0;
  #skipping = false;
  #counts: Counts = { input: 0, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0, output: 0 };
  #model: string | undefined;
  #inputKnown = false;
  #final = false;
  #ended = false;
  #failed = false;
  #written = 0;

  /** @param stream true for `text/event-stream`, false for one JSON document. */
  constructor(
    private readonly stream: boolean,
    private readonly limit: number = LIMITS.usagePiece,
  ) {}

  push(chunk: Buffer): void {
    if (!this.stream) {
      this.#written += chunk.length;
      return this.#keep(chunk);
    }
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#finishLine();
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** What was seen so far; call it when the answer has ended, however it ended. */
  end(): UsageReading {
    this.#finishLine();
    return {
      ...this.#counts,
      model: this.#model,
      inputKnown: this.#inputKnown,
      final: this.#final,
      // One document is whole when the connection says so.
      ended: this.#ended || !this.stream,
      failed: this.#failed,
      written: this.#written,
    };
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
    if (line === '') return;
    if (!this.stream) return this.#read(line);
    if (!line.startsWith('data:')) return;
    if (line.startsWith('[DONE]', 6) || line.includes('"message_stop"')) this.#ended = true;
    // Most lines of a stream are text deltas: only those that can hold counts (or, once, the model) are decoded.
    if (line.includes('"usage"') || line.includes('"error"') || (!this.#model && line.includes('"model"'))) {
      this.#read(line.slice(5));
    }
    this.#written += writtenIn(line);
  }

  #read(text: string): void {
    const document = decode(text);
    const message = fields(document['message']);
    const model = document['model'] ?? message?.['model'];
    if (typeof model === 'string' && model !== '' && model.length <= 128) this.#model ??= model;
    if (fields(document['error'])) this.#failed = true;
    const usage = fields(document['usage']) ?? fields(message?.['usage']);
    if (!usage) return;
    this.#take(countsOf(usage));
    // What a stream begins with is no closing count: its output is only what was there by then.
    if (!message) this.#final = true;
  }

  /** Anthropic repeats cumulative counts and OpenAI sends one: the highest is the answer's. */
  #take(next: Counts): void {
    const was = this.#counts;
    if (next.input + next.cacheRead + next.cacheWrite + next.cacheWriteHour > 0) this.#inputKnown = true;
    this.#counts = {
      input: Math.max(was.input, next.input),
      cacheRead: Math.max(was.cacheRead, next.cacheRead),
      cacheWrite: Math.max(was.cacheWrite, next.cacheWrite),
      cacheWriteHour: Math.max(was.cacheWriteHour, next.cacheWriteHour),
      output: Math.max(was.output, next.output),
    };
  }
}

/** What cannot be decoded (a cut-off answer) is not counted. */
function decode(text: string): Fields {
  try {
    return fields(JSON.parse(text)) ?? {};
  } catch {
    return {};
  }
}
