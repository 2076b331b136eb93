import { describe, expect, it } from 'vitest';
import { GRANTED_ROLES, mayIn, WORKSPACE_ROLES, type WorkspaceAction, type WorkspaceRole } from './workspace-policy.js';

const label = (action: WorkspaceAction): string =>
  [action.do, ...Object.entries(action).flatMap(([key, value]) => (key === 'do' ? [] : [`${key} ${value}`]))].join(' ');

const ACTIONS: readonly WorkspaceAction[] = [
  ...(['read', 'list-members', 'list-invitations', 'change', 'leave', 'hand-over'] as const).map((verb) => ({
    do: verb,
  })),
  ...GRANTED_ROLES.map((as) => ({ do: 'invite' as const, as })),
  ...GRANTED_ROLES.map((role) => ({ do: 'remove' as const, role })),
  ...GRANTED_ROLES.flatMap((from) => GRANTED_ROLES.map((to) => ({ do: 'set-role' as const, from, to }))),
];

/** Every action that somebody may do at all; whatever is not here is refused to everybody. */
const ALLOWED: Readonly<Record<string, readonly WorkspaceRole[]>> = {
  read: ['owner', 'admin', 'member', 'guest'],
  'list-members': ['owner', 'admin', 'member'],
  'list-invitations': ['owner', 'admin'],
  change: ['owner', 'admin'],
  leave: ['admin', 'member', 'guest'],
  'hand-over': ['owner'],
  'invite as admin': ['owner'],
  'invite as member': ['owner', 'admin'],
  'invite as guest': ['owner', 'admin'],
  'remove role admin': ['owner'],
  'remove role member': ['owner', 'admin'],
  'remove role guest': ['owner', 'admin'],
  'set-role from admin to admin': ['owner'],
  'set-role from admin to member': ['owner'],
  'set-role from admin to guest': ['owner'],
  'set-role from member to admin': ['owner'],
  'set-role from guest to admin': ['owner'],
  'set-role from member to member': ['owner', 'admin'],
  'set-role from member to guest': ['owner', 'admin'],
  'set-role from guest to member': ['owner', 'admin'],
  'set-role from guest to guest': ['owner', 'admin'],
};

it('the table of this test names every action there is', () => {
  expect(ACTIONS.map(label).toSorted()).toEqual(Object.keys(ALLOWED).toSorted());
});

describe.each(WORKSPACE_ROLES)('%s', (role) => {
  it.each(ACTIONS.map((action) => [label(action), action] as const))('%s', (name, action) => {
    expect(mayIn(role, action)).toBe(ALLOWED[name]!.includes(role));
  });
});

it('nobody gives by a change what they could not give by an invitation', () => {
  const escalations = WORKSPACE_ROLES.flatMap((role) =>
    GRANTED_ROLES.flatMap((from) =>
      GRANTED_ROLES.filter((to) => mayIn(role, { do: 'set-role', from, to }) && !mayIn(role, { do: 'invite', as: to })),
    ),
  );
  expect(escalations).toEqual([]);
});
