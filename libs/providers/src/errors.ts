import { DomainError } from '#libs/kernel';

/** Base of everything a model call can end with. `retryable` means: the same call may succeed soon. */
export abstract class ModelError extends DomainError {
  abstract readonly retryable: boolean;
}

export class ModelOverloaded extends ModelError {
  readonly code = 'model-overloaded';
  readonly kind = 'unavailable';
  readonly retryable = true;
  constructor(
    override readonly retryAfter: number = 5,
    options?: ErrorOptions,
  ) {
    super('The model is overloaded right now. Try again in a moment.', options);
  }
}

export class ModelRateLimited extends ModelError {
  readonly code = 'model-rate-limited';
  readonly kind = 'limited';
  readonly retryable = true;
  constructor(
    override readonly retryAfter: number = 10,
    options?: ErrorOptions,
  ) {
    super(`The model takes no more requests for now. Try again in ${retryAfter} s.`, options);
  }
}

/** The member's or tenant's day is used up. Trying again before the next one is of no use. */
export class ModelQuotaExhausted extends ModelError {
  readonly code = 'quota-exhausted';
  readonly kind = 'limited';
  readonly retryable = false;
  constructor(
    override readonly retryAfter: number,
    options?: ErrorOptions,
  ) {
    super(`Today's allowance is used up. It starts again at midnight UTC, in ${hoursAndMinutes(retryAfter)}.`, options);
  }
}

/** The rest of the day's allowance is held by calls that run now; some of it usually comes back. */
export class ModelQuotaReserved extends ModelError {
  readonly code = 'quota-reserved';
  readonly kind = 'limited';
  readonly retryable = true;
  constructor(
    override readonly retryAfter: number,
    options?: ErrorOptions,
  ) {
    super("What is left of today's allowance is in use by other answers. Try again in a moment.", options);
  }
}

/** Whether the allowance still holds cannot be asked right now. */
export class ModelQuotaUnavailable extends ModelError {
  readonly code = 'quota-unavailable';
  readonly kind = 'unavailable';
  readonly retryable = true;
  constructor(
    override readonly retryAfter: number,
    options?: ErrorOptions,
  ) {
    super("Today's allowance cannot be checked right now. Try again in a moment.", options);
  }
}

export class ModelCredentialsRejected extends ModelError {
  readonly code = 'model-credentials-rejected';
  readonly kind = 'unavailable';
  readonly retryable = false;
  constructor(options?: ErrorOptions) {
    super('The model refused the configured key. The operator has to set a valid one.', options);
  }
}

export class ModelNotConfigured extends ModelError {
  readonly code = 'model-not-configured';
  readonly kind = 'unavailable';
  readonly retryable = false;
  constructor(what: string) {
    super(`No model can be reached: ${what}. The operator has to configure one.`);
  }
}

export class ModelRequestRejected extends ModelError {
  readonly code = 'model-request-rejected';
  readonly kind = 'internal';
  readonly retryable = false;
  constructor(
    readonly status: number,
    options?: ErrorOptions,
  ) {
    super(`The model refused the request (status ${status}). The operator should check the model's name.`, options);
  }
}

export class ModelStreamCut extends ModelError {
  readonly code = 'model-stream-cut';
  readonly kind = 'unavailable';
  readonly retryable = true;
  constructor(options?: ErrorOptions) {
    super("The model's answer broke off. What arrived is kept; send the message again for a whole answer.", options);
  }
}

export class ModelTimeout extends ModelError {
  readonly code = 'model-timeout';
  readonly kind = 'unavailable';
  readonly retryable = false;
  constructor(seconds: number) {
    super(`The model sent nothing for ${seconds} s. Try again.`);
  }
}

export class ModelUnreachable extends ModelError {
  readonly code = 'model-unreachable';
  readonly kind = 'unavailable';
  readonly retryable = true;
  override readonly retryAfter = 10;
  constructor(options?: ErrorOptions) {
    super('The model could not be reached. Try again in a moment.', options);
  }
}

const MAX_RETRY_AFTER_SECONDS = 3600;
const DAY_SECONDS = 86_400;

function hoursAndMinutes(seconds: number): string {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes} min` : `${hours} h ${minutes % 60} min`;
}

/** `retry-after` in whole seconds; undefined when it is missing or a date (nobody we call sends dates). */
export function retryAfterOf(
  value: string | null | undefined,
  most: number = MAX_RETRY_AFTER_SECONDS,
): number | undefined {
  const seconds = Number(value ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(most, Math.ceil(seconds));
}

/** What the model broker says about itself, before its colon: a status alone would read as a busy model. */
const BROKER_PROBLEMS: Readonly<Record<string, (after: string | null | undefined, o?: ErrorOptions) => ModelError>> = {
  'model-provider-not-configured': () => new ModelNotConfigured('no key for this provider is set'),
  'model-provider-key-refused': (_after, options) => new ModelCredentialsRejected(options),
  'model-provider-unreachable': (_after, options) => new ModelUnreachable(options),
  'quota-exhausted': (after, options) => new ModelQuotaExhausted(retryAfterOf(after, DAY_SECONDS) ?? 3600, options),
  'quota-reserved': (after, options) => new ModelQuotaReserved(retryAfterOf(after) ?? 2, options),
  'quota-unavailable': (after, options) => new ModelQuotaUnavailable(retryAfterOf(after) ?? 5, options),
};

/** What a refusal of a model endpoint means; the same for all of them. `message` is what its body says. */
export function modelErrorOf(
  status: number,
  retryAfter: string | null | undefined,
  message: string | null | undefined,
  options?: ErrorOptions,
): ModelError {
  const named = BROKER_PROBLEMS[/^([a-z-]+): /.exec(message ?? '')?.[1] ?? ''];
  if (named) return named(retryAfter, options);
  const seconds = retryAfterOf(retryAfter);
  if (status === 401 || status === 403) return new ModelCredentialsRejected(options);
  if (status === 429) return new ModelRateLimited(seconds, options);
  if (status === 408 || status === 409 || status >= 500) return new ModelOverloaded(seconds, options);
  return new ModelRequestRejected(status, options);
}
