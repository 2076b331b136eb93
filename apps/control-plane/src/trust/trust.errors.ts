import { DomainError } from '#libs/kernel';

export class TrustInvitationNotOffered extends DomainError {
  readonly code = 'trust-invitation-not-offered';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'mode', message: "is above what the member's tier gives to invited members" }];
  constructor(offered: number | null) {
    const most = offered === null ? 'takes no invitations' : `gives invited members at most mode ${offered}`;
    super(`The member's tier ${most}. Change its invitedTrustCeiling, or move the member to another tier.`);
  }
}

/** The same for used, revoked, expired, unknown and somebody else's: a guess learns nothing. */
export class TrustInvitationInvalid extends DomainError {
  readonly code = 'trust-invitation-invalid';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'code', message: 'is not an open invitation of this member' }];
  constructor() {
    super('This invitation was used, revoked or has expired, or it is for somebody else. Ask for a new one.');
  }
}

export class TrustInvitationNotFound extends DomainError {
  readonly code = 'trust-invitation-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such invitation here. List them: GET /v1/trust-invitations.');
  }
}

export class TrustInvitationClosed extends DomainError {
  readonly code = 'trust-invitation-closed';
  readonly kind = 'conflict';
  constructor(state: string) {
    super(
      `This invitation is ${state} already; there is nothing to revoke. Lower the member's trust with a downgrade.`,
    );
  }
}

export class TrustCapLower extends DomainError {
  readonly code = 'trust-cap-lower';
  readonly kind = 'conflict';
  constructor(cap: number) {
    super(`The member is held at mode ${cap} already, and a downgrade never raises. Lift that first.`);
  }
}

export class TrustNotCapped extends DomainError {
  readonly code = 'trust-not-capped';
  readonly kind = 'conflict';
  constructor() {
    super('The member is not downgraded; there is nothing to lift.');
  }
}

export class TrustUntilPast extends DomainError {
  readonly code = 'trust-until-past';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'until', message: 'must be in the future' }];
  constructor() {
    super('"until" must be in the future. Leave it out for a downgrade that lasts until it is lifted.');
  }
}
