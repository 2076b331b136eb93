import type { TokenUsage } from '#libs/contracts';
import { ModelError, ModelNotConfigured, ModelStreamCut, ModelUnreachable, modelErrorOf } from './errors.js';
import {
  type FinishReason,
  type ModelCall,
  type ModelEndpoint,
  type ModelEvent,
  ModelProvider,
  taskHeaders,
} from './model-provider.js';
import { parseServerSentEvents } from './sse.js';
import { estimateTokens } from './tokens.js';

const FINISH: Record<string, FinishReason> = { stop: 'stop', length: 'length', content_filter: 'refused' };

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
  readonly error?: unknown;
}

/**
 * Any OpenAI-compatible endpoint (`POST <base>/chat/completions`): OpenRouter, Ollama, llama.cpp, vLLM and the rest.
 * Speaks the common denominator: `max_tokens`, and usage asked for by `stream_options` but not relied on.
 */
export class OpenAiProvider extends ModelProvider {
  readonly name = 'openai';

  async *stream(call: ModelCall, endpoint: ModelEndpoint | null, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    if (!endpoint) throw new ModelNotConfigured('no address for an OpenAI-compatible endpoint');
    const response = await send(call, endpoint, signal);
    try {
      yield* read(response.body!, call);
    } catch (error) {
      if (error instanceof ModelError) throw error;
      signal.throwIfAborted();
      throw new ModelStreamCut({ cause: error });
    }
  }
}

async function send(call: ModelCall, endpoint: ModelEndpoint, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${endpoint.baseUrl.replace(/\/$/, '')}/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${endpoint.apiKey}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...taskHeaders(call),
      },
      body: JSON.stringify(bodyOf(call)),
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new ModelUnreachable({ cause: error });
  }
  if (response.ok && response.body) return response;
  throw modelErrorOf(response.status, response.headers.get('retry-after'), await messageOf(response));
}

/** Longest body of a refusal that is read, in bytes. */
const MOST_REFUSAL = 64 * 1024;

/** What the body of a refusal says; nothing when it is not the usual JSON, breaks off or is too long. */
async function messageOf(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > MOST_REFUSAL) return undefined;
    }
    return (JSON.parse(text) as { error?: { message?: string } }).error?.message;
  } catch (error) {
    // The status says enough; a body that breaks off or is no JSON changes nothing about it.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const bodyOf = (call: ModelCall): object => ({
  model: call.model,
  max_tokens: call.maxOutputTokens,
  stream: true,
  stream_options: { include_usage: true },
  messages: [
    { role: 'system', content: call.system },
    ...call.messages.map(({ role, text }) => ({ role, content: text })),
  ],
});

async function* read(body: AsyncIterable<Uint8Array>, call: ModelCall): AsyncGenerator<ModelEvent> {
  let reason: FinishReason | undefined;
  let reported: TokenUsage | undefined;
  let text = '';
  let ended = false;
  for await (const { data } of parseServerSentEvents(body)) {
    if (data === '[DONE]') {
      ended = true;
      break;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new ModelStreamCut({ cause: chunk.error });
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) {
      text += choice.delta.content;
      yield { type: 'delta', text: choice.delta.content };
    } else {
      yield { type: 'activity' };
    }
    if (choice?.finish_reason) reason = FINISH[choice.finish_reason] ?? 'other';
    if (chunk.usage) reported = usageOf(chunk.usage);
  }
  // Some endpoints close after `finish_reason` without [DONE]; without either, the answer is not whole.
  if (!ended && !reason) throw new ModelStreamCut();
  const usage = reported ?? { inputTokens: estimateInput(call), outputTokens: estimateTokens(text) };
  yield { type: 'finish', reason: reason ?? 'other', usage, estimated: !reported };
}

const usageOf = (usage: NonNullable<Chunk['usage']>): TokenUsage => ({
  inputTokens: usage.prompt_tokens ?? 0,
  outputTokens: usage.completion_tokens ?? 0,
});

const estimateInput = (call: ModelCall): number =>
  call.messages.reduce((sum, message) => sum + estimateTokens(message.text), estimateTokens(call.system));
