import { delay } from '#libs/kernel';
import { CoordinationUnavailable, NoticeTooLarge } from './errors.js';

/** Learns of failures that callers do not see. `during` is a short phrase such as "publish". */
export type CoordinationErrorHandler = (error: unknown, during: string) => void;

/** How long a publish, wake or count may take, in milliseconds. */
export const CALL_TIMEOUT_MS = 2_000;

/** Rejects with CoordinationUnavailable when the work fails or takes longer than `CALL_TIMEOUT_MS`. */
export async function withinTimeout<T>(work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = delay(CALL_TIMEOUT_MS, done.signal).then(() => {
    throw new Error(`no answer within ${CALL_TIMEOUT_MS} ms`);
  });
  // The loser of the race must not become an unhandled rejection.
  void Promise.allSettled([work, late]);
  try {
    return await Promise.race([work, late]);
  } catch (cause) {
    throw new CoordinationUnavailable({ cause });
  } finally {
    done.abort();
  }
}

/** For calls whose loss is harmless: reports instead of rejecting. */
export async function bestEffort(
  work: Promise<unknown>,
  during: string,
  onError: CoordinationErrorHandler,
): Promise<void> {
  try {
    await withinTimeout(work);
  } catch (error) {
    onError(error, during);
  }
}

/** Longest notice in bytes: PostgreSQL's NOTIFY takes less than 8,000. */
const MAX_NOTICE_BYTES = 7_900;

export function assertNoticeFits(channel: string, payload: string): void {
  if (Buffer.byteLength(payload) > MAX_NOTICE_BYTES) throw new NoticeTooLarge(channel);
}

/** One subscriber's exception must not keep others from being told. */
export function callSafely(callback: () => void, during: string, onError: CoordinationErrorHandler): void {
  try {
    callback();
  } catch (error) {
    onError(error, during);
  }
}
