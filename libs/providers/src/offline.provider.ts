import { delay } from '#libs/kernel';
import type { ModelCall, ModelEndpoint, ModelEvent } from './model-provider.js';
import { ModelProvider } from './model-provider.js';
import { estimateTokens } from './tokens.js';

/** What the offline provider says; it names itself, so that nobody takes it for a model. */
export function offlineText(call: ModelCall): string {
  const turns = call.messages.filter((message) => message.role === 'user').length;
  return (
    'This is the offline provider: no model key is configured, so there is no model behind this answer. ' +
    `Your message arrived and is saved (message ${turns} of this conversation). ` +
    'Once the operator sets a model key, answers here come from the model.'
  );
}

/** Answers without any model or network, for a first look without a key. */
export class OfflineProvider extends ModelProvider {
  readonly name = 'offline';

  /** Milliseconds a word takes: a first look shows how answers stream. */
  constructor(private readonly paceMs = 12) {
    super();
  }

  async *stream(call: ModelCall, _endpoint: ModelEndpoint | null, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const text = offlineText(call);
    for (const delta of text.match(/[^ ]+ ?/g) ?? []) {
      await delay(this.paceMs, signal);
      yield { type: 'delta', text: delta };
    }
    const inputTokens = call.messages.reduce((sum, message) => sum + estimateTokens(message.text), 0);
    yield {
      type: 'finish',
      reason: 'stop',
      usage: { inputTokens, outputTokens: estimateTokens(text) },
      estimated: true,
    };
  }
}
