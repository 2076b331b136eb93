import { grants } from './principal.js';
import { TENANT_RESOURCES } from './roles.js';

/** What only operators have a say in. */
const OPERATOR_RESOURCES = [
  'tenants',
  'gateways',
  'hosts',
  'rollouts',
  'channels',
  'dead-letters',
  'settings',
  'metrics',
  'events',
  'users',
  'providers',
  'signing-keys',
] as const;

/** Verbs besides read and write. */
const OTHER_VERBS: Readonly<Record<string, readonly string[]>> = { tenant: ['close'], backups: ['restore'] };

const verbsOf = (resource: string): readonly string[] => ['read', 'write', ...(OTHER_VERBS[resource] ?? [])];

const known = (resources: readonly string[]): ReadonlySet<string> =>
  new Set(['*', ...resources.flatMap((name) => ['*', ...verbsOf(name)].map((verb) => `${name}:${verb}`))]);

const OF_TENANTS = known(TENANT_RESOURCES);
const OF_OPERATORS = known([...TENANT_RESOURCES, ...OPERATOR_RESOURCES]);

/** Those of the scopes that no key of this kind can have. */
export const unknownScopes = (scopes: readonly string[], kind: 'tenant' | 'operator'): string[] => {
  const allowed = kind === 'tenant' ? OF_TENANTS : OF_OPERATORS;
  return scopes.filter((scope) => !allowed.has(scope));
};

/** True when who holds the scopes may do everything that `wanted` allows. */
export function covers(held: readonly string[], wanted: string): boolean {
  if (held.includes('*') || held.includes(wanted)) return true;
  const [resource = '', verb] = wanted.split(':');
  return verb === '*'
    ? verbsOf(resource).every((each) => grants(held, `${resource}:${each}`))
    : wanted !== '*' && grants(held, wanted);
}
