import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { StopSignals } from './stop-signals.js';

function received(...signals: readonly [name: string, at: number][]) {
  const source = new EventEmitter();
  let now = 0;
  const stop = new StopSignals(
    () => undefined,
    () => now,
    source as unknown as NodeJS.Process,
  );
  for (const [name, at] of signals) {
    now = at;
    source.emit(name);
  }
  return { stop: stop.stop.aborted, force: stop.force.aborted };
}

describe('signals to stop', () => {
  it('count one Ctrl-C once, though terminal, npm and launcher each deliver it', () => {
    expect(received(['SIGINT', 10], ['SIGINT', 12], ['SIGTERM', 300])).toEqual({ stop: true, force: false });
  });

  it('take a later one as the wish to hurry', () => {
    expect(received(['SIGINT', 10], ['SIGINT', 2_000])).toEqual({ stop: true, force: true });
  });
});
