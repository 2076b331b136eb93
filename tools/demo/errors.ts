/** The stack did something else than its contract says: the demo ends with exit code 1. */
export class ExpectationFailed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ExpectationFailed';
  }
}

/** Nothing can be shown at all, and the message says what to do about it: exit code 2. */
export class DemoUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DemoUnavailable';
  }
}

/** An answer other than 2xx. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Milliseconds, from `Retry-After`. */
    readonly retryAfter: number | undefined,
  ) {
    super(message);
    this.name = 'Refused';
  }
}

export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ExpectationFailed(message);
}
