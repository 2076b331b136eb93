import type { ProviderName } from '#libs/contracts';
import { backoff, delay } from '#libs/kernel';
import { AnthropicProvider } from './anthropic.provider.js';
import { ModelError, ModelStreamCut, ModelTimeout } from './errors.js';
import type { ModelCall, ModelEndpoint, ModelEvent, ModelProvider } from './model-provider.js';
import { OfflineProvider } from './offline.provider.js';
import { OpenAiProvider } from './openai.provider.js';

export interface RouterLimits {
  /** Longest silence before the first delta, in milliseconds. */
  readonly firstDeltaMs: number;
  /** Longest silence between two deltas, in milliseconds. */
  readonly betweenDeltasMs: number;
  /** Tries of one call, the first included. */
  readonly attempts: number;
  /** A `retry-after` beyond this is the caller's to wait for, in seconds. */
  readonly longestWaitSeconds: number;
  /** First wait between two tries when the endpoint names none, and the longest, in milliseconds. */
  readonly backoffMs: { readonly base: number; readonly cap: number };
}

export const ROUTER_LIMITS: RouterLimits = {
  firstDeltaMs: 90_000,
  betweenDeltasMs: 60_000,
  attempts: 3,
  longestWaitSeconds: 8,
  backoffMs: { base: 400, cap: 4000 },
};

/**
 * The way every model call takes: picks the provider, watches over silence, retries. A retry happens only before the
 * first delta has been handed on: afterwards the reader has seen text, and a second answer would not continue it.
 */
export class ModelRouter {
  readonly #providers: ReadonlyMap<ProviderName, ModelProvider>;

  constructor(
    providers: readonly ModelProvider[] = [new AnthropicProvider(), new OpenAiProvider(), new OfflineProvider()],
    private readonly limits: RouterLimits = ROUTER_LIMITS,
  ) {
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
  }

  /** Ends with exactly one `finish`, or throws a ModelError, or the signal's reason when that aborts. */
  async *stream(
    provider: ProviderName,
    call: ModelCall,
    endpoint: ModelEndpoint | null,
    signal: AbortSignal,
  ): AsyncGenerator<ModelEvent> {
    const chosen = this.#providers.get(provider)!;
    for (let attempt = 0; ; attempt += 1) {
      let started = false;
      try {
        for await (const event of this.#watched(chosen, call, endpoint, signal)) {
          started = true;
          yield event;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        const wait = started ? undefined : this.#waitBeforeRetry(error, attempt);
        if (wait === undefined) throw error;
        await delay(wait, signal);
      }
    }
  }

  #waitBeforeRetry(error: unknown, attempt: number): number | undefined {
    if (!(error instanceof ModelError) || !error.retryable || attempt + 1 >= this.limits.attempts) return undefined;
    if ((error.code === 'model-rate-limited' || error.code === 'model-overloaded') && error.retryAfter !== undefined) {
      if (error.retryAfter > this.limits.longestWaitSeconds) return undefined;
    }
    return backoff(attempt, this.limits.backoffMs.base, this.limits.backoffMs.cap);
  }

  /** One try, aborted when nothing arrives for too long. */
  async *#watched(
    provider: ModelProvider,
    call: ModelCall,
    endpoint: ModelEndpoint | null,
    signal: AbortSignal,
  ): AsyncGenerator<ModelEvent> {
    const silence = new AbortController();
    const watch = (milliseconds: number) =>
      setTimeout(() => silence.abort(new ModelTimeout(Math.ceil(milliseconds / 1000))), milliseconds);
    let timer = watch(this.limits.firstDeltaMs);
    let finished = false;
    try {
      for await (const event of provider.stream(call, endpoint, AbortSignal.any([signal, silence.signal]))) {
        clearTimeout(timer);
        finished = event.type === 'finish';
        if (event.type !== 'activity') yield event;
        timer = watch(this.limits.betweenDeltasMs);
      }
    } catch (error) {
      throw silence.signal.aborted ? silence.signal.reason : error;
    } finally {
      clearTimeout(timer);
    }
    if (silence.signal.aborted) throw silence.signal.reason;
    if (!finished) throw new ModelStreamCut();
  }
}
