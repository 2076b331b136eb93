import { Injectable } from '@nestjs/common';
import { DomainError } from '#libs/kernel';
import { Metrics } from '#libs/telemetry';

/** How long hosts and gateways take to do what they are asked, and to what it comes. */
@Injectable()
export class CallMetrics {
  readonly #durations;

  constructor(metrics: Metrics) {
    this.#durations = metrics.duration(
      'call',
      'Calls to hosts (driver) and gateways (runtime) by operation and outcome.',
      ['part', 'operation', 'outcome'],
    );
  }

  /** The same object, each of whose calls that gives a promise is timed. What it calls itself is part of that call. */
  measured<T extends object>(target: T, part: 'driver' | 'runtime'): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name);
        if (typeof value !== 'function') return value;
        const call = value as (...args: unknown[]) => unknown;
        return (...args: unknown[]): unknown => {
          const begun = performance.now();
          const answer = call.apply(object, args);
          if (answer instanceof Promise) this.#watch(answer, part, String(name), begun);
          return answer;
        };
      },
    });
  }

  #watch(answer: Promise<unknown>, part: string, operation: string, begun: number): void {
    const end = (outcome: string): void =>
      this.#durations.observe({ part, operation, outcome }, (performance.now() - begun) / 1_000);
    // The caller hears of a failure from its own promise; this one only counts.
    answer.then(
      () => end('ok'),
      (error: unknown) => end(outcomeOf(error)),
    );
  }
}

/** Codes are a fixed set; anything else is one word, so that labels stay few. */
function outcomeOf(error: unknown): string {
  if (error instanceof DomainError) return error.code;
  return error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name) ? 'aborted' : 'error';
}
