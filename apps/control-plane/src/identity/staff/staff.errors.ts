import { DomainError } from '#libs/kernel';

export class UserNotFound extends DomainError {
  readonly code = 'user-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('There is no such user. List the users to see the ones there are.');
  }
}

export class UserExists extends DomainError {
  readonly code = 'user-exists';
  readonly kind = 'conflict';
  constructor() {
    super('Somebody has this e-mail address already. Change that user instead.');
  }
}

export class LastOperator extends DomainError {
  readonly code = 'last-operator';
  readonly kind = 'conflict';
  constructor() {
    super('This is the last operator who can sign in. Make somebody else an operator first.');
  }
}

export class StaffNotFound extends DomainError {
  readonly code = 'staff-not-found';
  readonly kind = 'not-found';
  constructor() {
    super('Nobody with this id works here. List the staff to see who does.');
  }
}

export class StaffExists extends DomainError {
  readonly code = 'staff-exists';
  readonly kind = 'conflict';
  constructor() {
    super('This person works here already. Change their role instead.');
  }
}

export class LastOwner extends DomainError {
  readonly code = 'last-owner';
  readonly kind = 'conflict';
  constructor() {
    super('This is the last owner who can sign in. Make somebody else an owner first.');
  }
}

export class OwnRole extends DomainError {
  readonly code = 'own-role';
  readonly kind = 'forbidden';
  constructor() {
    super('Nobody gives themselves a role or raises their own. Ask another owner.');
  }
}

export class RoleTooHigh extends DomainError {
  readonly code = 'role-too-high';
  readonly kind = 'forbidden';
  constructor() {
    super('This role may do more than you may yourself. Give a lower one, or ask somebody who may do everything.');
  }
}

export class AlreadyJoined extends DomainError {
  readonly code = 'already-joined';
  readonly kind = 'conflict';
  constructor() {
    super('This person has signed in already and needs no invitation. They can have a sign-in link mailed to them.');
  }
}
