import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerAnthropic, anthropicError, checkAnthropic } from './model-api.anthropic.js';
import { answerOpenAi, checkOpenAi, openAiError } from './model-api.openai.js';
import { type Exchange, type ModelReply, type ModelRequest, replyTo } from './model-api.script.js';

export type { ModelReply, ModelRequest } from './model-api.script.js';

export interface ModelApiOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Default: any free port. */
  readonly port?: number;
  /** Keys that are accepted; anything else is answered 401. Default: every key, and none at all. */
  readonly apiKeys?: readonly string[];
  /** Applied to every request that neither `enqueue` nor a directive in the text says otherwise about. */
  readonly reply?: ModelReply | ((request: ModelRequest) => ModelReply);
}

/**
 * A model provider's double: a real HTTP server that speaks Anthropic's Messages API (`POST /v1/messages`) and the
 * OpenAI-compatible chat completions (`POST /v1/chat/completions`), streaming and not; both also below `/anthropic` and
 * `/openai`, as the model broker has them.
 *
 * The default answer is `Answer to "<last user text>" (message <number of messages sent>).`, so that a test can see
 * what the agent remembered. What a request is answered with, first match wins: `enqueue`, directives in the last user
 * text (see `directivesOf`; they work from outside the process too), `options.reply`.
 */
export interface ModelApi {
  /** `http://127.0.0.1:<port>`: the base URL of Anthropic's SDK. */
  readonly url: string;
  /** `http://127.0.0.1:<port>/v1`: the base URL of OpenAI-compatible clients. */
  readonly openAiUrl: string;
  readonly port: number;
  /** Every model request so far, oldest first, those refused too. */
  readonly requests: readonly ModelRequest[];
  /** Answers for the next requests, one each, in order. */
  enqueue(...replies: ModelReply[]): void;
  /** Replaces `options.reply`. */
  setReply(reply: ModelReply | ((request: ModelRequest) => ModelReply)): void;
  /** Resolves with the request once `count` requests have arrived (the last of them). */
  waitForRequests(count: number, withinMs?: number): Promise<ModelRequest>;
  /** Cuts what is open and stops listening. */
  close(): Promise<void>;
}

const MAX_BODY = 32 * 1024 * 1024;

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error('request body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const flatten = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : Array.isArray(content)
      ? content.map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : '')).join('')
      : '';

function describeRequest(
  api: ModelRequest['api'],
  incoming: IncomingMessage,
  body: Record<string, unknown>,
): ModelRequest {
  const messages = (Array.isArray(body['messages']) ? body['messages'] : []) as { role?: string; content?: unknown }[];
  const bearer = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1] ?? null;
  const header = incoming.headers['x-api-key'];
  const talk = messages.filter((message) => message.role === 'user' || message.role === 'assistant');
  return {
    id: `req_${randomUUID().replaceAll('-', '').slice(0, 24)}`,
    api,
    path: incoming.url ?? '/',
    headers: incoming.headers,
    apiKey: typeof header === 'string' ? header : bearer,
    body,
    model: typeof body['model'] === 'string' ? body['model'] : '',
    stream: body['stream'] === true,
    messageCount: talk.length,
    lastUserText: flatten(talk.findLast((message) => message.role === 'user')?.content),
    at: new Date(),
    aborted: false,
  };
}

/** Everything a running server remembers. */
class State {
  readonly requests: ModelRequest[] = [];
  readonly queue: ModelReply[] = [];
  constructor(
    readonly options: ModelApiOptions,
    public reply: NonNullable<ModelApiOptions['reply']>,
  ) {}

  replyFor(request: ModelRequest): ModelReply {
    const standing = typeof this.reply === 'function' ? this.reply(request) : this.reply;
    return replyTo(request, this.queue.shift(), standing);
  }
}

async function serveModel(
  state: State,
  api: ModelRequest['api'],
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = parse(await readBody(incoming));
  const request = describeRequest(api, incoming, body ?? {});
  state.requests.push(request);
  response.on('close', () => (request.aborted = !response.writableFinished));
  const [check, error, answer] =
    api === 'anthropic' ? [checkAnthropic, anthropicError, answerAnthropic] : [checkOpenAi, openAiError, answerOpenAi];
  const headers: Record<string, string> = { [api === 'anthropic' ? 'request-id' : 'x-request-id']: request.id };
  const keys = state.options.apiKeys;
  if (keys && !(request.apiKey !== null && keys.includes(request.apiKey))) {
    return json(response, 401, error(401, 'invalid API key', request.id), headers);
  }
  const fault = body ? check(request) : 'The request body is not valid JSON.';
  if (fault) return json(response, 400, error(400, fault, request.id), headers);
  const reply = state.replyFor(request);
  if (reply.status && reply.status >= 400) {
    if (reply.retryAfterSeconds !== undefined) headers['retry-after'] = String(reply.retryAfterSeconds);
    return json(response, reply.status, error(reply.status, reply.message ?? 'scripted error', request.id), headers);
  }
  const exchange: Exchange = { request, reply, response, headers };
  await answer(exchange);
}

async function route(state: State, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  // The model broker's prefixes, so that a gateway can be pointed here directly.
  const path = (incoming.url ?? '/').split('?')[0]!.replace(/^\/(anthropic|openai)(?=\/v1\/)/, '');
  if (incoming.method === 'POST' && path === '/v1/messages') return serveModel(state, 'anthropic', incoming, response);
  if (incoming.method === 'POST' && path === '/v1/chat/completions')
    return serveModel(state, 'openai', incoming, response);
  // Not part of any provider's API: lets a test of whole processes see what arrived here.
  if (incoming.method === 'GET' && path === '/_requests') return json(response, 200, state.requests);
  if (incoming.method === 'GET' && path === '/_health') return json(response, 200, { status: 'ok' });
  incoming.resume();
  json(response, 404, anthropicError(404, `no such path: ${path}`, 'req_none'));
}

export async function startModelApi(options: ModelApiOptions = {}): Promise<ModelApi> {
  const state = new State(options, options.reply ?? {});
  const server = createServer((incoming, response) => {
    route(state, incoming, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else json(response, 500, anthropicError(500, String(error), 'req_none'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  const { port, address } = server.address() as AddressInfo;
  const url = `http://${address}:${port}`;
  return {
    url,
    openAiUrl: `${url}/v1`,
    port,
    requests: state.requests,
    enqueue: (...replies) => void state.queue.push(...replies),
    setReply: (reply) => void (state.reply = reply),
    async waitForRequests(count, withinMs = 10_000) {
      const until = Date.now() + withinMs;
      while (state.requests.length < count) {
        if (Date.now() > until) throw new Error(`only ${state.requests.length} of ${count} model requests arrived`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return state.requests[count - 1]!;
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
