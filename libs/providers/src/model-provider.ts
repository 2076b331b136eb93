import { type ProviderName, TASK_HEADER, type TokenUsage } from '#libs/contracts';

export interface ModelMessage {
  readonly role: 'user' | 'assistant';
  readonly text: string;
}

/** One call of a model: everything that does not depend on who pays for it. */
export interface ModelCall {
  readonly model: string;
  readonly maxOutputTokens: number;
  readonly system: string;
  /** Oldest first; the last one is the user's. Texts are never empty. */
  readonly messages: readonly ModelMessage[];
  /** The task it works on: the broker counts messages by it, and no provider sees it. */
  readonly task?: string;
}

export const taskHeaders = (call: ModelCall): Record<string, string> =>
  call.task === undefined ? {} : { [TASK_HEADER]: call.task };

/** Where a call goes and with which key; given per call, because a key may change at any time. */
export interface ModelEndpoint {
  /** Anthropic: without `/v1`. OpenAI-compatible: with it. */
  readonly baseUrl: string;
  readonly apiKey: string;
}

export type FinishReason = 'stop' | 'length' | 'refused' | 'other';

export type ModelEvent =
  | { readonly type: 'delta'; readonly text: string }
  /** The model works but has no text yet (it thinks): proves life, carries nothing. */
  | { readonly type: 'activity' }
  | {
      readonly type: 'finish';
      readonly reason: FinishReason;
      readonly usage: TokenUsage;
      /** The endpoint reported no usage: counted from the text, good for display and not for billing. */
      readonly estimated: boolean;
    };

/**
 * Streams one answer. The last event is always `finish`: a stream that ends without one was cut and must throw
 * ModelStreamCut. Every fault is one of the errors in `errors.ts`. Providers do not retry and set no time-outs: both
 * are the router's, once for all of them.
 */
export abstract class ModelProvider {
  abstract readonly name: ProviderName;
  /** `endpoint` is null for a provider that needs none. */
  abstract stream(call: ModelCall, endpoint: ModelEndpoint | null, signal: AbortSignal): AsyncIterable<ModelEvent>;
}
