import { describe, expect, it } from 'vitest';
import { ModelOverloaded, ModelRateLimited, ModelStreamCut } from './errors.js';
import { type ModelCall, type ModelEvent, ModelProvider } from './model-provider.js';
import { ModelRouter, ROUTER_LIMITS } from './router.js';

const call: ModelCall = { model: 'm', maxOutputTokens: 10, system: 's', messages: [{ role: 'user', text: 'hi' }] };
const finish: ModelEvent = {
  type: 'finish',
  reason: 'stop',
  usage: { inputTokens: 1, outputTokens: 1 },
  estimated: false,
};
const delta = (text: string): ModelEvent => ({ type: 'delta', text });

/** Plays one script per try; an Error in a script is thrown at that point. */
class Scripted extends ModelProvider {
  readonly name = 'offline';
  tries = 0;
  constructor(private readonly scripts: readonly (ModelEvent | Error | 'hang')[][]) {
    super();
  }
  async *stream(_call: ModelCall, _endpoint: null, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    for (const step of this.scripts[this.tries++] ?? []) {
      if (step instanceof Error) throw step;
      if (step === 'hang') {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      } else yield step;
    }
  }
}

async function collect(provider: Scripted, limits = {}, signal = new AbortController().signal) {
  const backoffMs = { base: 1, cap: 1 };
  const router = new ModelRouter([provider], { ...ROUTER_LIMITS, backoffMs, ...limits });
  const events: ModelEvent[] = [];
  try {
    for await (const event of router.stream('offline', call, null, signal)) events.push(event);
    return { events, error: undefined };
  } catch (error) {
    return { events, error: error as { code?: string } };
  }
}

describe('the model router', () => {
  it('tries again when a call fails before the first delta', async () => {
    const provider = new Scripted([[new ModelOverloaded(0)], [new ModelStreamCut()], [delta('a'), finish]]);
    expect((await collect(provider)).events).toEqual([delta('a'), finish]);
    expect(provider.tries).toBe(3);
  });

  it('never tries again once a delta was handed on', async () => {
    const provider = new Scripted([
      [delta('a'), new ModelStreamCut()],
      [delta('b'), finish],
    ]);
    const { events, error } = await collect(provider);
    expect(events).toEqual([delta('a')]);
    expect(error?.code).toBe('model-stream-cut');
    expect(provider.tries).toBe(1);
  });

  it('gives up after its attempts with the last error', async () => {
    const provider = new Scripted(Array.from({ length: 9 }, () => [new ModelOverloaded(0)]));
    expect((await collect(provider)).error?.code).toBe('model-overloaded');
    expect(provider.tries).toBe(ROUTER_LIMITS.attempts);
  });

  it('hands a long retry-after to the caller instead of waiting', async () => {
    const provider = new Scripted([[new ModelRateLimited(60)], [delta('a'), finish]]);
    expect((await collect(provider)).error).toMatchObject({ code: 'model-rate-limited', retryAfter: 60 });
    expect(provider.tries).toBe(1);
  });

  it('reports a stream that ends without finish as cut', async () => {
    const { events, error } = await collect(new Scripted([[delta('a')]]));
    expect(events).toEqual([delta('a')]);
    expect(error?.code).toBe('model-stream-cut');
  });

  it('reports silence as a time-out, at the start and between deltas', async () => {
    const limits = { firstDeltaMs: 10, betweenDeltasMs: 10 };
    expect((await collect(new Scripted([['hang']]), limits)).error?.code).toBe('model-timeout');
    expect((await collect(new Scripted([[delta('a'), 'hang']]), limits)).error?.code).toBe('model-timeout');
  });

  it("ends with the caller's reason when the caller aborts", async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    setImmediate(() => controller.abort(reason));
    expect((await collect(new Scripted([['hang']]), {}, controller.signal)).error).toBe(reason);
  });
});
