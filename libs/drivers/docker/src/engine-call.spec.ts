import { describe, expect, it } from 'vitest';
import { callEngine, callUnless, translate } from './engine-call.js';

const answer = (statusCode: number, message: string) =>
  Object.assign(new Error(`(HTTP code ${statusCode}) ${message}`), { statusCode, json: { message } });
const failing = (code: string) => Object.assign(new Error(code), { code });

describe('what an engine failure becomes', () => {
  it.each([
    [failing('ENOENT'), 'engine-unreachable', true],
    [failing('ECONNREFUSED'), 'engine-unreachable', true],
    [answer(404, 'No such image: wirebot/gateway:1'), 'image-missing', false],
    [answer(500, 'driver failed: Address already in use'), 'port-in-use', false],
    [answer(400, 'invalid memory limit'), 'engine-refused', false],
    [answer(500, 'no space left on device'), 'engine-refused', true],
  ])('%s: %s, retryable %s', (error, code, retryable) => {
    expect(translate(error)).toMatchObject({ code, retryable, cause: error });
  });

  it("keeps the engine's own sentence", () => {
    expect(translate(answer(400, 'invalid memory limit')).message).toContain('invalid memory limit');
  });
});

describe('a call of the engine', () => {
  const never = () => new Promise<never>(() => undefined);

  it('ends when its time is over, also when the client ignores the signal', async () => {
    await expect(callEngine(new AbortController().signal, 5, never)).rejects.toMatchObject({
      code: 'engine-timeout',
      retryable: true,
    });
  });

  it("passes the caller's reason through as it is", async () => {
    const stop = new AbortController();
    const reason = new Error('shutting down');
    const call = callEngine(stop.signal, 60_000, never);
    stop.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  it('is not made after an abort', async () => {
    let made = false;
    const call = callEngine(AbortSignal.abort(new Error('over')), 1_000, async () => (made = true));
    await expect(call).rejects.toThrow('over');
    expect(made).toBe(false);
  });

  it('forgives exactly the status it was told to', async () => {
    const signal = new AbortController().signal;
    expect(
      await callUnless(404, signal, 1_000, () => Promise.reject(answer(404, 'no such container'))),
    ).toBeUndefined();
    await expect(callUnless(404, signal, 1_000, () => Promise.reject(answer(409, 'conflict')))).rejects.toMatchObject({
      code: 'engine-refused',
    });
  });
});
