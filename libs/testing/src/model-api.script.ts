import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

/** One request as it arrived. */
export interface ModelRequest {
  readonly id: string;
  readonly api: 'anthropic' | 'openai';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** `x-api-key`, else the bearer token (which SDK 1.x of Anthropic sends, and every OpenAI-compatible client). */
  readonly apiKey: string | null;
  readonly body: Record<string, unknown>;
  readonly model: string;
  readonly stream: boolean;
  /** User and assistant messages in it, system text not counted. */
  readonly messageCount: number;
  readonly lastUserText: string;
  readonly at: Date;
  /** The client went away before the answer was complete. */
  aborted: boolean;
}

/** How one request is answered. Everything has a default. */
export interface ModelReply {
  /** The whole answer; default derives from the request. */
  readonly text?: string;
  /** The deltas of the answer; default: `text` word by word. */
  readonly chunks?: readonly string[];
  /** Wait before every chunk but the first. */
  readonly chunkDelayMs?: number;
  /** Wait before the first chunk (the response's head is sent at once). */
  readonly firstTokenDelayMs?: number;
  /** An error status (401, 429, 500, 529 ...) instead of an answer. */
  readonly status?: number;
  readonly message?: string;
  readonly retryAfterSeconds?: number;
  /** Destroys the connection after that many chunks. */
  readonly cutAfterChunks?: number;
  /** Ends the response in order after that many chunks, but without the provider's end marker: an answer that only looks whole. */
  readonly endAfterChunks?: number;
  /** Sends an `error` event after that many chunks and ends the stream properly (Anthropic's mid-stream overload). */
  readonly errorAfterChunks?: number;
  /** Anthropic's words; translated for OpenAI. Default `end_turn`. */
  readonly stopReason?: 'end_turn' | 'max_tokens' | 'refusal';
}

export interface Exchange {
  readonly request: ModelRequest;
  readonly reply: ModelReply;
  readonly response: ServerResponse;
  readonly headers: Record<string, string>;
}

const NUMBERS = {
  status: 'status',
  'retry-after': 'retryAfterSeconds',
  cut: 'cutAfterChunks',
  end: 'endAfterChunks',
  'error-after': 'errorAfterChunks',
  'chunk-delay': 'chunkDelayMs',
  'first-delay': 'firstTokenDelayMs',
} as const;

/**
 * Directives in the last user text script the answer from outside the process: `[[chunk-delay 50]]`, `[[first-delay 500]]`,
 * `[[cut 2]]`, `[[end 2]]`, `[[error-after 2]]`, `[[status 529]]`, `[[retry-after 3]]`, and `[[words 200]]` for a long answer.
 */
export function directivesOf(text: string): ModelReply {
  const reply: Record<string, unknown> = {};
  for (const [, name, number] of text.matchAll(/\[\[([a-z-]+) (\d+)\]\]/g)) {
    if (name === 'words') reply['chunks'] = Array.from({ length: Number(number) }, (_, index) => `word${index} `);
    const key = NUMBERS[name as keyof typeof NUMBERS];
    if (key) reply[key] = Number(number);
  }
  return reply as ModelReply;
}

export const defaultText = (request: ModelRequest): string =>
  `Answer to "${request.lastUserText}" (message ${request.messageCount}).`;

/** An enqueued reply is taken as it is; otherwise directives in the text refine the standing reply. */
export const replyTo = (request: ModelRequest, queued: ModelReply | undefined, standing: ModelReply): ModelReply =>
  queued ?? { ...standing, ...directivesOf(request.lastUserText) };

export const textOf = (exchange: Exchange): string =>
  exchange.reply.text ?? exchange.reply.chunks?.join('') ?? defaultText(exchange.request);

export const chunksOf = (exchange: Exchange): readonly string[] =>
  exchange.reply.chunks ?? textOf(exchange).match(/\S+\s*/g) ?? [];

/** A plausible count, the same for the same text: four characters a token. */
export const tokensOf = (text: string): number => Math.max(1, Math.ceil(text.length / 4));

export const inputTokensOf = (request: ModelRequest): number =>
  tokensOf(JSON.stringify([request.body['system'] ?? '', request.body['messages'] ?? []]));

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

export type PaceOutcome = 'complete' | 'gone' | 'cut' | 'ended' | 'error';

/**
 * Paces the chunks; `send` writes one. Resolves with `complete`, or with `gone` (the client left), `cut` (the
 * connection was destroyed on purpose), `ended` (closed without an end marker) or `error` (the caller writes its error event).
 */
export async function pace(exchange: Exchange, send: (chunk: string) => void): Promise<PaceOutcome> {
  const { reply, response } = exchange;
  if (reply.firstTokenDelayMs) await wait(reply.firstTokenDelayMs);
  for (const [index, chunk] of chunksOf(exchange).entries()) {
    if (index > 0 && reply.chunkDelayMs) await wait(reply.chunkDelayMs);
    if (response.destroyed) return 'gone';
    if (reply.errorAfterChunks === index) return 'error';
    if (reply.endAfterChunks === index) return end(response);
    if (reply.cutAfterChunks === index) return cut(response);
    send(chunk);
  }
  if (response.destroyed) return 'gone';
  if (reply.endAfterChunks !== undefined) return end(response);
  if (reply.cutAfterChunks !== undefined) return cut(response);
  return reply.errorAfterChunks === undefined ? 'complete' : 'error';
}

/** What was written reaches the client first: a cut in the middle, not a lost answer. */
async function cut(response: ServerResponse): Promise<'cut'> {
  await wait(20);
  response.destroy();
  return 'cut';
}

function end(response: ServerResponse): 'ended' {
  response.end();
  return 'ended';
}
