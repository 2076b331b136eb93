import { DomainError } from '#libs/kernel';

export class MemberNotActive extends DomainError {
  readonly code = 'member-not-active';
  readonly kind = 'conflict';
  constructor() {
    super(
      'This member has no agent that may answer now. Resume or provision the member first: PUT /v1/members/{externalId}.',
    );
  }
}

export class SurfaceNotInTier extends DomainError {
  readonly code = 'surface-not-in-tier';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'surface', message: "surface is not among the channels of the member's tier" }];
  constructor(readonly surface: string) {
    super(`The member's tier does not include ${surface}. Ask for another surface or change the tier's channels.`);
  }
}

export class SignInCodeInvalid extends DomainError {
  readonly code = 'sign-in-code-invalid';
  readonly kind = 'unauthenticated';
  constructor() {
    super('This sign-in link was used already or has expired. Ask the membership site for a new one.');
  }
}

export class VisibilityNotThere extends DomainError {
  readonly code = 'visibility-not-there';
  readonly kind = 'rule';
  override readonly errors = [{ field: 'visibility', message: 'visibility is not one that this surface has' }];
  constructor(surface: string, visibility: string) {
    super(`There is no ${visibility} place on ${surface}. Leave visibility out, or name one that this surface has.`);
  }
}
