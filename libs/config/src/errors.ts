import { DomainError } from '#libs/kernel';

/** Names a variable or secret file and says what it takes; never carries its value. */
export class ConfigInvalid extends DomainError {
  readonly code = 'config-invalid';
  readonly kind = 'internal';
  constructor(
    readonly variable: string,
    expected: string,
  ) {
    super(`${variable} is not valid: ${expected}`);
  }
}
