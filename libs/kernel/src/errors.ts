/** What kind of fault an error is; the HTTP layers map it to a status once (see `statusOf`). */
export type ErrorKind =
  | 'invalid' // 400: the shape of the input
  | 'unauthenticated' // 401
  | 'forbidden' // 403
  | 'not-found' // 404
  | 'conflict' // 409: the state forbids it now
  | 'too-large' // 413
  | 'rule' // 422: a rule of the domain forbids it
  | 'limited' // 429
  | 'internal' // 500
  | 'unavailable' // 503: something it needs is down
  | 'storage'; // 507: no room left to store it

const STATUS: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  rule: 422,
  limited: 429,
  internal: 500,
  unavailable: 503,
  storage: 507,
};

/** The fault of one input field, named by its path (`workspace.stage`). Never carries the value. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/**
 * Base of every error a reader may see. `code` is stable kebab-case; `message` says what is wrong and what to do.
 * Never put a secret into either.
 */
export abstract class DomainError extends Error {
  abstract readonly code: string;
  abstract readonly kind: ErrorKind;
  /** Seconds after which another try makes sense. */
  readonly retryAfter?: number;
  readonly errors?: readonly FieldError[];

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export const statusOf = (kind: ErrorKind): number => STATUS[kind];

/** RFC 9457 problem document as every Wirebot process answers it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly instance?: string;
  readonly errors?: readonly FieldError[];
}

const title = (code: string): string => {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Builds the problem document of an error; anything that is not a DomainError becomes a plain 500 without its text. */
export function toProblem(error: unknown, instance?: string): Problem {
  const known = error instanceof DomainError ? error : undefined;
  const code = known?.code ?? 'internal-error';
  return {
    type: `urn:wirebot:problem:${code}`,
    title: title(code),
    status: statusOf(known?.kind ?? 'internal'),
    detail: known?.message ?? 'Something went wrong on our side. Try again; if it persists, quote the request id.',
    code,
    ...(instance ? { instance } : {}),
    ...(known?.errors ? { errors: known.errors } : {}),
  };
}
