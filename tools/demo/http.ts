import { deadline, delay } from '#libs/kernel';
import { DemoUnavailable, Refused } from './errors.js';

/** All in milliseconds. */
export const TIMES = { request: 60_000, patience: 60_000, retry: 1_000 } as const;

interface Call {
  readonly method?: string;
  readonly bearer: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal: AbortSignal;
  /** False where a refusal is what the caller wants to see. */
  readonly patient?: boolean;
}

/**
 * One request. An agent that is starting or moving answers 503 with `Retry-After`: the call waits and asks again, for a
 * minute at most in all. Every mutation carries an idempotency key, so that repeating it is safe.
 */
export async function call(url: string, options: Call): Promise<Response> {
  const until = Date.now() + TIMES.patience;
  const headers = {
    accept: 'application/json',
    authorization: `Bearer ${options.bearer}`,
    ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...options.headers,
  };
  for (;;) {
    const response = await send(url, options, headers);
    if (response.ok) return response;
    const refused = await toRefused(response);
    const wait = refused.retryAfter ?? TIMES.retry;
    const temporary = refused.status === 503 || refused.status === 429;
    if (!temporary || options.patient === false || Date.now() + wait > until) throw refused;
    await delay(wait, options.signal);
  }
}

async function send(url: string, options: Call, headers: Record<string, string>): Promise<Response> {
  try {
    return await fetch(url, {
      method: options.method ?? 'GET',
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: deadline(TIMES.request, options.signal),
    });
  } catch (cause) {
    if (options.signal.aborted) throw options.signal.reason;
    const { origin } = new URL(url);
    throw new DemoUnavailable(`${origin} does not answer. Is the stack running? See "npm run status".`, { cause });
  }
}

async function toRefused(response: Response): Promise<Refused> {
  const text = await response.text();
  const problem = parseProblem(text);
  const seconds = Number(response.headers.get('retry-after'));
  return new Refused(
    response.status,
    problem.code ?? `http-${response.status}`,
    problem.detail ?? `status ${response.status}`,
    Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  );
}

function parseProblem(text: string): { readonly code?: string; readonly detail?: string } {
  try {
    return JSON.parse(text) as { code?: string; detail?: string };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Reads a stream of server-sent events; comments (keep-alives) are left out. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const chunk of response.body) {
    buffer = (buffer + decoder.decode(chunk as Uint8Array, { stream: true })).replaceAll('\r\n', '\n');
    for (let end = buffer.indexOf('\n\n'); end !== -1; end = buffer.indexOf('\n\n')) {
      const event = parseEvent(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
      if (event) yield event;
    }
  }
}

/** One event's lines; undefined when it carries no data. */
export function parseEvent(block: string): ServerEvent | undefined {
  const data: string[] = [];
  let event = 'message';
  for (const line of block.split('\n')) {
    if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
    if (line.startsWith('event:')) event = line.slice(6).trim();
  }
  return data.length === 0 ? undefined : { event, data: JSON.parse(data.join('\n')) as unknown };
}
