/** Roles of a tenant's staff, highest first. */
export const STAFF_ROLES = ['owner', 'admin', 'support', 'read-only'] as const;
export type StaffRole = (typeof STAFF_ROLES)[number];

/** Every resource of the tenant API; a scope is `<resource>:read` or `<resource>:write`. */
export const TENANT_RESOURCES = [
  'tenant',
  'staff',
  'members',
  'workspaces',
  'tiers',
  'trust',
  'tokens',
  'operations',
  'backups',
  'keys',
  'secrets',
  'webhooks',
  'usage',
  'audit',
] as const;

const every = (verb: string, resources: readonly string[] = TENANT_RESOURCES): string[] =>
  resources.map((resource) => `${resource}:${verb}`);

/**
 * What each role may at its tenant. An owner alone decides who the staff are and closes the tenant; an admin runs it;
 * support helps members; read-only looks.
 */
export const ROLE_SCOPES: Record<StaffRole, readonly string[]> = {
  owner: ['*'],
  admin: [
    ...every('read'),
    ...every(
      'write',
      TENANT_RESOURCES.filter((resource) => resource !== 'staff'),
    ),
    'backups:restore',
  ],
  support: [
    ...every('read', ['tenant', 'members', 'workspaces', 'tiers', 'trust', 'operations', 'backups', 'usage']),
    ...every('write', ['members', 'workspaces', 'trust']),
  ],
  'read-only': every('read'),
};

export const isStaffRole = (role: string): role is StaffRole => (STAFF_ROLES as readonly string[]).includes(role);
