/** Resolves after `milliseconds`, or rejects with the signal's reason as soon as it aborts. */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const done = () => {
      signal?.removeEventListener('abort', cancel);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const cancel = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** A signal that aborts after `milliseconds` or with any of the given ones, whichever comes first. */
export const deadline = (milliseconds: number, ...signals: (AbortSignal | undefined)[]): AbortSignal =>
  AbortSignal.any([AbortSignal.timeout(milliseconds), ...signals.filter((s): s is AbortSignal => s !== undefined)]);

/** Exponential backoff with full jitter: attempt 0 waits up to `base`, doubling to at most `cap`. All in milliseconds. */
export const backoff = (attempt: number, base: number, cap: number, random: () => number = Math.random): number =>
  Math.round(Math.min(cap, base * 2 ** Math.min(attempt, 30)) * (0.5 + random() / 2));
