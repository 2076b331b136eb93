import type { Anthropic, ClientOptions } from '@anthropic-ai/sdk';
import type { RawMessageStreamEvent, StopReason } from '@anthropic-ai/sdk/resources/messages';
import {
  ModelError,
  ModelNotConfigured,
  ModelOverloaded,
  ModelStreamCut,
  ModelUnreachable,
  modelErrorOf,
} from './errors.js';
import {
  type FinishReason,
  type ModelCall,
  type ModelEndpoint,
  type ModelEvent,
  ModelProvider,
  taskHeaders,
} from './model-provider.js';

type Sdk = typeof import('@anthropic-ai/sdk');

const FINISH: Partial<Record<StopReason, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refused',
};

/**
 * Anthropic through its SDK. The SDK is loaded with the first call: most gateways of a fleet are idle, and it costs
 * memory. Its own retries are off (`maxRetries: 0`): the router retries, once for every provider and only before the
 * first token. Its logger is off too: at `debug` it prints whole messages, and the environment could turn that on.
 */
export class AnthropicProvider extends ModelProvider {
  readonly name = 'anthropic';
  #sdk: Promise<Sdk> | undefined;

  async *stream(call: ModelCall, endpoint: ModelEndpoint | null, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    if (!endpoint) throw new ModelNotConfigured('no address for Anthropic');
    const sdk = await (this.#sdk ??= import('@anthropic-ai/sdk'));
    const client = new sdk.Anthropic(clientOptions(endpoint));
    try {
      yield* read(await open(client, call, signal), signal);
    } catch (error) {
      throw translate(sdk, error, signal);
    }
  }
}

const clientOptions = (endpoint: ModelEndpoint): ClientOptions => ({
  baseURL: endpoint.baseUrl,
  apiKey: endpoint.apiKey,
  maxRetries: 0,
  logLevel: 'off',
  openTelemetry: false,
});

const open = (client: Anthropic, call: ModelCall, signal: AbortSignal): Promise<AsyncIterable<RawMessageStreamEvent>> =>
  client.messages.create(
    {
      model: call.model,
      max_tokens: call.maxOutputTokens,
      system: call.system,
      messages: call.messages.map(({ role, text }) => ({ role, content: text })),
      stream: true,
    },
    { signal, headers: taskHeaders(call) },
  );

async function* read(stream: AsyncIterable<RawMessageStreamEvent>, signal: AbortSignal): AsyncGenerator<ModelEvent> {
  let inputTokens = 0;
  let outputTokens = 0;
  let reason: FinishReason = 'other';
  for await (const event of stream) {
    if (event.type === 'message_start') inputTokens = allInput(event.message.usage);
    if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
      yield { type: 'delta', text: event.delta.text };
    } else if (event.type === 'message_delta') {
      outputTokens = event.usage.output_tokens;
      reason = FINISH[event.delta.stop_reason ?? 'pause_turn'] ?? 'other';
    } else if (event.type === 'message_stop') {
      return yield { type: 'finish', reason, usage: { inputTokens, outputTokens }, estimated: false };
    } else {
      yield { type: 'activity' };
    }
  }
  // The SDK ends quietly both when we abort and when the connection closes in order halfway: neither is a whole answer.
  signal.throwIfAborted();
  throw new ModelStreamCut();
}

/** Cached tokens are input too: the total is the sum of the three. */
const allInput = (usage: {
  input_tokens: number;
  cache_creation_input_tokens?: number | null;
  cache_read_input_tokens?: number | null;
}): number => usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);

function translate(sdk: Sdk, error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ModelError) return error;
  if (signal.aborted) return signal.reason;
  const options = { cause: error };
  if (error instanceof sdk.APIConnectionError) return new ModelUnreachable(options);
  if (error instanceof sdk.APIError) {
    if (error.status !== undefined) {
      return modelErrorOf(error.status, error.headers?.get('retry-after'), error.apiMessage, options);
    }
    // An `error` event inside a stream that began with 200.
    if (error.type === 'overloaded_error') return new ModelOverloaded(undefined, options);
    return new ModelStreamCut(options);
  }
  return new ModelStreamCut(options);
}
