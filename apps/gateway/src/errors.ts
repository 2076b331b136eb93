import { DomainError, type FieldError } from '#libs/kernel';
import type { RateState } from './http/rate-limit.headers.js';

/** A problem that ends the process with exit code 78: restarting does not help, somebody has to change something. */
export class StartRefused extends Error {}

export class RequestInvalid extends DomainError {
  readonly code = 'request-invalid';
  readonly kind = 'invalid';
  constructor(
    message: string,
    override readonly errors?: readonly FieldError[],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export class FrameInvalid extends DomainError {
  readonly code = 'frame-invalid';
  readonly kind = 'invalid';
}

export class TextTooLong extends DomainError {
  readonly code = 'text-too-long';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`A message has at most ${limit} characters. Shorten it or send it in parts.`);
  }
}

export class BodyTooLarge extends DomainError {
  readonly code = 'body-too-large';
  readonly kind = 'too-large';
  constructor(limit: number) {
    super(`The body is larger than ${limit} bytes. Send less.`);
  }
}

export class RouteNotFound extends DomainError {
  readonly code = 'route-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is nothing at this address. The public interface is described in docs/gateway-protocol.md.');
  }
}

/** Also the answer to a token of somebody else's agent: the two must not be told apart. */
export class AgentNotFound extends DomainError {
  readonly code = 'agent-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such agent here. Ask for a new token: it names the right address.');
  }
}

export class CredentialMissing extends DomainError {
  readonly code = 'credential-missing';
  readonly kind = 'unauthenticated';
  constructor() {
    super('Send the member token as "Authorization: Bearer <token>".');
  }
}

export class ScopeMissing extends DomainError {
  readonly code = 'scope-missing';
  readonly kind = 'forbidden';
  constructor(scope: string) {
    super(`This token lacks the scope "${scope}". Ask for a token with it.`);
  }
}

/** `reason` is one of the stable reasons of libs/trust. */
export class SurfaceNotAllowed extends DomainError {
  readonly code = 'surface-not-allowed';
  readonly kind = 'forbidden';
  constructor(readonly reason: string) {
    super(`This agent does not answer where this token is for (${reason}). Ask for a token of another surface.`);
  }
}

export class DemosFull extends DomainError {
  readonly code = 'demos-full';
  readonly kind = 'unavailable';
  override readonly retryAfter = 60;
  constructor() {
    super('Too many demos are running with this agent. Try again in a minute, or sign in.');
  }
}

export class TooManyFailedAttempts extends DomainError {
  readonly code = 'too-many-failed-attempts';
  readonly kind = 'limited';
  constructor(override readonly retryAfter: number) {
    super(`Too many failed sign-ins from this address. Try again in ${retryAfter} s.`);
  }
}

export class SessionNotFound extends DomainError {
  readonly code = 'session-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such session. Send a message without a session to begin one.');
  }
}

export class ResumeInvalid extends DomainError {
  readonly code = 'resume-invalid';
  readonly kind = 'conflict';
  constructor() {
    super('The session cannot be resumed from there. Load it with GET /session/:id and resume from its "seq".');
  }
}

export class SessionLimitReached extends DomainError {
  readonly code = 'session-limit-reached';
  readonly kind = 'rule';
  constructor(limit: number) {
    super(`This tier keeps at most ${limit} sessions. Continue one of them, or upgrade.`);
  }
}

export class MessageLimitReached extends DomainError {
  readonly code = 'message-limit-reached';
  readonly kind = 'limited';
  override readonly retryAfter: number;
  constructor(readonly rate: RateState) {
    super(`This tier takes ${rate.limit} messages an hour. Try again in ${rate.resetSeconds} s.`);
    this.retryAfter = rate.resetSeconds;
  }
}

export class AgentOverloaded extends DomainError {
  readonly code = 'agent-overloaded';
  readonly kind = 'limited';
  override readonly retryAfter = 5;
  constructor(limit: number) {
    super(`${limit} messages wait for their answers already. Try again when some have come.`);
  }
}

export class IdempotencyKeyReused extends DomainError {
  readonly code = 'idempotency-key-reused';
  readonly kind = 'conflict';
  constructor() {
    super('This idempotency key was used for another message. Use a new key for every message.');
  }
}

export class TaskNotFound extends DomainError {
  readonly code = 'task-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such task.');
  }
}

export class TaskFinished extends DomainError {
  readonly code = 'task-finished';
  readonly kind = 'conflict';
  constructor() {
    super('This task has already ended; there is nothing to abort.');
  }
}

export class TaskAborted extends DomainError {
  readonly code = 'task-aborted';
  readonly kind = 'conflict';
  constructor() {
    super('The answer was stopped on request.');
  }
}

export class TaskInterrupted extends DomainError {
  readonly code = 'task-interrupted';
  readonly kind = 'unavailable';
  constructor() {
    super('This answer was begun several times and never finished. Send the message again.');
  }
}

/** The end of a task that another (older) run recorded; carries what was recorded. */
export class TaskFailed extends DomainError {
  readonly kind = 'unavailable';
  constructor(
    readonly code: string,
    message: string,
    override readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export type NotReadyCode =
  | 'gateway-warm'
  | 'gateway-unconfigured'
  | 'gateway-suspending'
  | 'gateway-draining'
  | 'gateway-rehearsing'
  | 'agent-draining';

export class NotReady extends DomainError {
  readonly kind = 'unavailable';
  override readonly retryAfter = 2;
  constructor(readonly code: NotReadyCode) {
    super('This agent cannot answer right now. Try again in a moment, with the same idempotency key.');
  }
}

export class AttachmentsUnsupported extends DomainError {
  readonly code = 'attachments-unsupported';
  readonly kind = 'rule';
  constructor() {
    super('This agent takes text only. Send the message without attachments.');
  }
}

export class ControlCredentialInvalid extends DomainError {
  readonly code = 'control-credential-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('Send the control credential of this gateway as "Authorization: Bearer <credential>".');
  }
}

export class StaleFence extends DomainError {
  readonly code = 'stale-fence';
  readonly kind = 'conflict';
  constructor() {
    super('A newer configuration was applied already. Read the current state and try again.');
  }
}

export class ConfigInvalid extends DomainError {
  readonly code = 'config-invalid';
  readonly kind = 'rule';
  constructor(override readonly errors: readonly FieldError[]) {
    super('The configuration is not valid; nothing of it was applied.');
  }
}

export class AgentAttached extends DomainError {
  readonly code = 'agent-attached';
  readonly kind = 'conflict';
  constructor() {
    super('This agent is attached. Send a configuration without it first.');
  }
}

export class ArchiveInvalid extends DomainError {
  readonly code = 'archive-invalid';
  readonly kind = 'rule';
  constructor(reason: string, options?: ErrorOptions) {
    super(`The archive was refused: ${reason}. Nothing was changed.`, options);
  }
}
