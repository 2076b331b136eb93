import type { Message, RawMessageStreamEvent, TextBlock } from '@anthropic-ai/sdk/resources/messages';
import { type Exchange, inputTokensOf, type ModelRequest, pace, textOf, tokensOf } from './model-api.script.js';

const ERROR_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

export const anthropicError = (status: number, message: string, requestId: string): object => ({
  type: 'error',
  error: { type: ERROR_TYPES[status] ?? 'api_error', message },
  request_id: requestId,
});

/** What the real API refuses first; the sentence is the error's message. */
export function checkAnthropic(request: ModelRequest): string | undefined {
  const { body } = request;
  if (!request.headers['anthropic-version']) return 'anthropic-version: header is required';
  if (!request.model) return 'model: Field required';
  if (!Number.isInteger(body['max_tokens']) || (body['max_tokens'] as number) < 1) return 'max_tokens: Field required';
  const messages = body['messages'] as { role?: string; content?: unknown }[] | undefined;
  if (!Array.isArray(messages) || messages.length === 0) return 'messages: at least one message is required';
  if (messages.some((message) => !['user', 'assistant', 'system'].includes(message.role ?? ''))) {
    return "messages: Input should be 'user', 'assistant' or 'system'";
  }
  if (messages[0]!.role !== 'user') return 'messages: first message must use the "user" role';
  if (messages.some((message) => message.content === '' || message.content === undefined)) {
    return 'messages: text content blocks must be non-empty';
  }
  return undefined;
}

const message = (
  exchange: Exchange,
  content: TextBlock[],
  stop: Message['stop_reason'],
  outputTokens: number,
): Message => ({
  id: `msg_${exchange.request.id.slice(4)}`,
  type: 'message',
  role: 'assistant',
  model: exchange.request.model,
  container: null,
  content,
  diagnostics: null,
  stop_details: null,
  stop_reason: stop,
  stop_sequence: null,
  usage: {
    input_tokens: inputTokensOf(exchange.request),
    output_tokens: outputTokens,
    output_tokens_details: null,
    cache_creation: null,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    inference_geo: null,
    server_tool_use: null,
    service_tier: 'standard',
    speed: null,
  },
});

const textBlock = (text: string): TextBlock => ({ type: 'text', text, citations: null });

export async function answerAnthropic(exchange: Exchange): Promise<void> {
  const { response, headers, reply, request } = exchange;
  const stop = reply.stopReason ?? 'end_turn';
  if (!request.stream) {
    const body = message(exchange, [textBlock(textOf(exchange))], stop, tokensOf(textOf(exchange)));
    let size = 0;
    if ((await pace(exchange, (chunk) => (size += chunk.length))) !== 'complete') return void response.destroy();
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    return void response.end(JSON.stringify(body));
  }
  const event = (data: RawMessageStreamEvent | { type: 'ping' } | { type: 'error'; error: object }) =>
    response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...headers,
  });
  event({ type: 'message_start', message: message(exchange, [], null, 1) });
  event({ type: 'content_block_start', index: 0, content_block: textBlock('') });
  event({ type: 'ping' });
  let written = '';
  const outcome = await pace(exchange, (text) => {
    written += text;
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
  });
  if (outcome !== 'complete' && outcome !== 'error') return;
  if (outcome === 'error') {
    event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
    return void response.end();
  }
  event({ type: 'content_block_stop', index: 0 });
  event({
    type: 'message_delta',
    delta: { container: null, stop_details: null, stop_reason: stop, stop_sequence: null },
    usage: {
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      input_tokens: inputTokensOf(request),
      output_tokens: tokensOf(written),
      output_tokens_details: null,
      server_tool_use: null,
    },
  });
  event({ type: 'message_stop' });
  response.end();
}
