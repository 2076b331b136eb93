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

/** `retry-after` in whole seconds; undefined when it is missing or a date (nobody we call sends dates). */
export function retryAfterOf(value: string | null | undefined): number | undefined {
  const seconds = Number(value ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(MAX_RETRY_AFTER_SECONDS, Math.ceil(seconds));
}

/** What the model broker says about itself, before its colon: a status alone would read as a busy model. */
const BROKER_PROBLEMS: Readonly<Record<string, (options?: ErrorOptions) => ModelError>> = {
  'model-provider-not-configured': () => new ModelNotConfigured('no key for this provider is set'),
  'model-provider-key-refused': (options) => new ModelCredentialsRejected(options),
  'model-provider-unreachable': (options) => new ModelUnreachable(options),
};

/** What a refusal of a model endpoint means; the same for all of them. `message` is what its body says. */
export function modelErrorOf(
  status: number,
  retryAfter: string | null | undefined,
  message: string | null | undefined,
  options?: ErrorOptions,
): ModelError {
  const named = BROKER_PROBLEMS[/^([a-z-]+): /.exec(message ?? '')?.[1] ?? ''];
  if (named) return named(options);
  const seconds = retryAfterOf(retryAfter);
  if (status === 401 || status === 403) return new ModelCredentialsRejected(options);
  if (status === 429) return new ModelRateLimited(seconds, options);
  if (status === 408 || status === 409 || status >= 500) return new ModelOverloaded(seconds, options);
  return new ModelRequestRejected(status, options);
}
