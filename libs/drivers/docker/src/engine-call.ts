import { DriverError } from '#libs/drivers/core';
import { deadline } from '#libs/kernel';

/** Milliseconds one call of the engine may take. Creating and starting write to disk, reading does not. */
export const ENGINE_LIMITS = { read: 10_000, change: 30_000 } as const;

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ECONNRESET',
  'ENOTSOCK',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** One side does not trust the other's certificate: codes of Node's and OpenSSL's own. */
const UNTRUSTED = /CERT|^ERR_(TLS|SSL)|UNABLE_TO_|^EPROTO$/;

interface EngineFailure {
  readonly statusCode?: number;
  readonly code?: string;
  readonly json?: { readonly message?: string } | null;
  readonly message?: string;
}

/** One bounded call of the engine. The caller's abort passes through as it is; every other failure is a DriverError. */
export async function callEngine<T>(
  signal: AbortSignal,
  milliseconds: number,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const bounded = deadline(milliseconds, signal);
  try {
    return await Promise.race([call(bounded), rejection(bounded)]);
  } catch (error) {
    signal.throwIfAborted();
    if (bounded.aborted) {
      throw new DriverError(
        'engine-timeout',
        `The container engine did not answer within ${milliseconds / 1000} s; it is tried again.`,
        true,
        { cause: error },
      );
    }
    throw translate(error);
  }
}

/** The same, but an answer with that status is no failure: it becomes undefined. */
export async function callUnless<T>(
  status: number,
  signal: AbortSignal,
  milliseconds: number,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await callEngine(signal, milliseconds, call);
  } catch (error) {
    if (statusOfFailure(error) === status) return undefined;
    throw error;
  }
}

/** HTTP status of the engine's answer behind a DriverError. */
export const statusOfFailure = (error: unknown): number | undefined =>
  error instanceof DriverError ? (error.cause as EngineFailure | undefined)?.statusCode : undefined;

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

export function translate(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const failure = error as EngineFailure;
  const sentence = failure.json?.message ?? failure.message ?? 'no reason given';
  if (failure.statusCode === undefined && failure.code !== undefined && UNREACHABLE.has(failure.code)) {
    return new DriverError(
      'engine-unreachable',
      `The container engine cannot be reached (${failure.code}). Check that it runs and that this user may use its socket.`,
      true,
      { cause: error },
    );
  }
  if (failure.statusCode === undefined && UNTRUSTED.test(failure.code ?? '')) {
    return new DriverError(
      'engine-refused',
      `The container engine and this machine do not trust each other's certificates (${failure.code}). Check the authority, the names and dates of both, and that the port speaks TLS.`,
      false,
      { cause: error },
    );
  }
  if (failure.statusCode === 404 && /no such image/i.test(sentence)) {
    return new DriverError(
      'image-missing',
      `The gateway image is not on this host (${sentence}). Build it with npm run build and start again.`,
      false,
      { cause: error },
    );
  }
  if (/address already in use|port is already allocated/i.test(sentence)) {
    return new DriverError('port-in-use', `The gateway's address is taken on this host (${sentence}).`, false, {
      cause: error,
    });
  }
  // A 5xx without a known sentence may be passing (a busy storage driver); a 4xx stays until somebody changes the request.
  return new DriverError(
    'engine-refused',
    `The container engine refused: ${sentence}`,
    (failure.statusCode ?? 500) >= 500,
    { cause: error },
  );
}
