import { DomainError } from '#libs/kernel';
import type { Engagement } from './sleep-policy.js';

export class AgentNotServed extends DomainError {
  readonly code = 'agent-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such agent in service. GET /v1/members shows who has one, and whether it is paused.');
  }
}

/** Why a gateway cannot be put to sleep by a person now. */
export type NoSleepReason = Engagement | 'busy' | 'not-ready' | 'warm';

const BECAUSE: Record<NoSleepReason, string> = {
  'agent-change': 'one of its agents is being changed, moved or restored; try again once that has ended',
  operation: 'an operation of one of its members has not ended; GET /v1/admin/operations shows it',
  backup: 'a backup of one of its agents has not ended; try again once it has',
  upgrade: 'it is being upgraded; try again once that has ended',
  busy: 'something happens on it: a running task, an open connection, a job due soon or an answer not yet delivered',
  'not-ready': 'it does not serve now; its conditions say why',
  warm: 'it is a warm one, which the pool keeps as it has to be',
};

export class GatewayCannotSleep extends DomainError {
  readonly code: string;
  readonly kind = 'conflict';
  constructor(reason: NoSleepReason) {
    super(`This gateway cannot be put to sleep now: ${BECAUSE[reason]}.`);
    this.code = reason === 'busy' ? 'gateway-busy' : 'gateway-cannot-sleep';
  }
}

export class GatewayCannotWake extends DomainError {
  readonly code = 'gateway-cannot-wake';
  readonly kind = 'conflict';
  constructor(state: 'stopped' | 'lost') {
    super(
      state === 'stopped'
        ? 'This gateway is stopped because its member is paused. Resume the member, and it starts.'
        : 'The host of this gateway is lost. Bring the host back, or restore its agents elsewhere.',
    );
  }
}
