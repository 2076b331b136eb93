/** A request is given up after this time, in milliseconds. */
export const REQUEST_TIMEOUT = 15_000;

/** An answer other than 2xx, or none at all (`status` 0). The message is fit for a reader. */
export class RequestFailed extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds after which another try makes sense. */
    readonly retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'RequestFailed';
  }
}

/** Fetches JSON from the own origin. Resolves to undefined when the answer has no body. */
export async function request<T>(url: URL | string, init: RequestInit = {}): Promise<T> {
  const response = await attempt(url, init);
  if (!response.ok) throw await failure(response);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

async function attempt(url: URL | string, init: RequestInit): Promise<Response> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT);
  try {
    return await fetch(url, {
      credentials: 'same-origin',
      cache: 'no-store',
      ...init,
      headers: { accept: 'application/json', ...init.headers },
      signal: init.signal ? AbortSignal.any([init.signal, timeout]) : timeout,
    });
  } catch (cause) {
    throw new RequestFailed(
      0,
      'unreachable',
      'The server cannot be reached. Check your connection and try again.',
      undefined,
      { cause },
    );
  }
}

async function failure(response: Response): Promise<RequestFailed> {
  const problem = await readProblem(response);
  const retryAfter = Number(response.headers.get('retry-after'));
  return new RequestFailed(
    response.status,
    problem.code ?? `http-${response.status}`,
    problem.detail ?? 'Something went wrong. Try again in a moment.',
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : undefined,
  );
}

async function readProblem(response: Response): Promise<{ code?: string; detail?: string }> {
  if (!response.headers.get('content-type')?.includes('json')) return {};
  try {
    return (await response.json()) as { code?: string; detail?: string };
  } catch (cause) {
    return { code: cause instanceof SyntaxError ? `http-${response.status}` : 'unreachable' };
  }
}

/** The request of a body as JSON. */
export const jsonBody = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
