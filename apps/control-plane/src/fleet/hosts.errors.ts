import { DomainError } from '#libs/kernel';

export class HostNotFound extends DomainError {
  readonly code = 'host-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such host. GET /v1/admin/hosts lists them.');
  }
}

export class HostNameTaken extends DomainError {
  readonly code = 'host-name-taken';
  readonly kind = 'conflict';
  constructor() {
    super('Another host has this name; choose another one.');
  }
}

export class HostRegistered extends DomainError {
  readonly code = 'host-registered';
  readonly kind = 'conflict';
  constructor(name: string) {
    super(`This engine is registered already, as the host ${name}; an engine is one host.`);
  }
}

/** It was tried with a gateway, and something of what gateways need is not as it must be. */
export class HostUnusable extends DomainError {
  readonly code = 'host-unusable';
  readonly kind = 'rule';
  constructor(why: string, options?: ErrorOptions) {
    super(`The host was tried and cannot be used: ${why} Nothing was changed.`, options);
  }
}

export class HostIsConfigured extends DomainError {
  readonly code = 'host-is-configured';
  readonly kind = 'conflict';
  constructor(what: string) {
    super(`This is the host of the control plane's own configuration: ${what} there, not here.`);
  }
}

export class HostStateForbids extends DomainError {
  readonly code = 'host-state-forbids';
  readonly kind = 'conflict';
}

export class HostAnswers extends DomainError {
  readonly code = 'host-answers';
  readonly kind = 'conflict';
  constructor() {
    super('The host answers, so nothing on it is lost. Drain it instead: its agents then leave with all they have.');
  }
}

export class HostNotEmpty extends DomainError {
  readonly code = 'host-not-empty';
  readonly kind = 'conflict';
  constructor(gateways: number, agents: number) {
    super(
      `${gateways} gateways and ${agents} agents are still on it. Drain it and wait until it is empty; if it is gone for good, declare it lost first.`,
    );
  }
}

/** What gateways have written stays where it is: from other folders they would begin with nothing. */
export class HostFoldersInUse extends DomainError {
  readonly code = 'host-folders-in-use';
  readonly kind = 'conflict';
  constructor(gateways: number) {
    super(
      `${gateways} gateways have their state in this host's folders. Drain it and wait until it is empty, then change stateRoot or secretsRoot.`,
    );
  }
}

export class AgentUnknown extends DomainError {
  readonly code = 'agent-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such agent.');
  }
}

export class AgentStateForbids extends DomainError {
  readonly code = 'agent-state-forbids';
  readonly kind = 'conflict';
}
