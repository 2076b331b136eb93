import { type Exchange, inputTokensOf, type ModelRequest, pace, textOf, tokensOf } from './model-api.script.js';

const ERROR_TYPES: Record<number, string> = {
  401: 'invalid_api_key',
  429: 'rate_limit_exceeded',
  400: 'invalid_request_error',
};

export const openAiError = (status: number, message: string): object => ({
  error: { message, type: ERROR_TYPES[status] ?? 'server_error', param: null, code: ERROR_TYPES[status] ?? null },
});

export function checkOpenAi(request: ModelRequest): string | undefined {
  if (!request.model) return 'you must provide a model parameter';
  const messages = request.body['messages'];
  if (!Array.isArray(messages) || messages.length === 0) return "'messages' must contain at least one message";
  return undefined;
}

const FINISH = { end_turn: 'stop', max_tokens: 'length', refusal: 'content_filter' } as const;

const usageOf = (exchange: Exchange, text: string): object => {
  const prompt = inputTokensOf(exchange.request);
  const completion = tokensOf(text);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
};

const head = (exchange: Exchange, object: string): object => ({
  id: `chatcmpl-${exchange.request.id.slice(4)}`,
  object,
  created: Math.floor(exchange.request.at.getTime() / 1000),
  model: exchange.request.model,
});

export async function answerOpenAi(exchange: Exchange): Promise<void> {
  const { response, headers, reply, request } = exchange;
  const finish = FINISH[reply.stopReason ?? 'end_turn'];
  if (!request.stream) {
    let size = 0;
    if ((await pace(exchange, (chunk) => (size += chunk.length))) !== 'complete') return void response.destroy();
    const choice = { index: 0, message: { role: 'assistant', content: textOf(exchange) }, finish_reason: finish };
    const usage = usageOf(exchange, textOf(exchange));
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    return void response.end(JSON.stringify({ ...head(exchange, 'chat.completion'), choices: [choice], usage }));
  }
  const chunk = (delta: object, finishReason: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finishReason }];
    response.write(`data: ${JSON.stringify({ ...head(exchange, 'chat.completion.chunk'), choices })}\n\n`);
  };
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...headers,
  });
  chunk({ role: 'assistant', content: '' }, null);
  let written = '';
  const outcome = await pace(exchange, (text) => {
    written += text;
    chunk({ content: text }, null);
  });
  if (outcome !== 'complete' && outcome !== 'error') return;
  if (outcome === 'error') {
    response.write(`data: ${JSON.stringify(openAiError(500, 'The server had an error'))}\n\n`);
    return void response.end();
  }
  chunk({}, finish);
  if ((request.body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage) {
    const usage = usageOf(exchange, written);
    response.write(`data: ${JSON.stringify({ ...head(exchange, 'chat.completion.chunk'), choices: [], usage })}\n\n`);
  }
  response.end('data: [DONE]\n\n');
}
