import { DomainError, type ErrorKind } from '#libs/kernel';

/**
 * A driver's failure. `retryable`: the same call may succeed later without anybody changing anything (engine down);
 * otherwise somebody has to act first (image missing).
 */
export class DriverError extends DomainError {
  readonly kind: ErrorKind = 'unavailable';
  constructor(
    readonly code: DriverErrorCode,
    message: string,
    readonly retryable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export type DriverErrorCode =
  | 'engine-unreachable'
  | 'image-missing'
  | 'port-in-use'
  | 'engine-refused' // the engine understood and said no: limits, disk, configuration
  | 'state-directory-unusable'
  | 'gateway-running'
  | 'engine-timeout';
