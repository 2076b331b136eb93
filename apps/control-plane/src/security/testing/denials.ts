import type { RouteCall } from './route-call.js';
import type { DeclaredRoute } from './route-inventory.js';
import { bearer, type Credential, ORIGIN, type World, type Actor } from './world.js';

/** Somebody who must not get through, and with what answer. */
export interface Denial {
  readonly who: string;
  readonly credential: Credential;
  readonly status: 401 | 403;
  /** The error's code, where only one is the right reason. */
  readonly code?: string;
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);
const writes = (route: DeclaredRoute): boolean => route.scopes.some((scope) => !scope.endsWith(':read'));
const ELSEWHERE: Credential = { origin: 'https://evil.example' };
export const CONSOLE: Credential = { origin: ORIGIN };

/** Everybody who may knock at a door. */
export interface Callers {
  readonly nobody: Credential;
  readonly nonsense: Credential;
  readonly tenant: Credential;
  readonly tenantReadOnly: Credential;
  readonly operator: Credential;
  readonly operatorReadOnly: Credential;
  readonly owner: Credential;
  readonly reader: Credential;
  readonly stranger: Credential;
  readonly operatorSession: Credential;
  readonly member: Credential;
  readonly proxy: Credential;
}

export async function meetCallers(world: World, own: Actor): Promise<Callers> {
  return {
    nobody: {},
    nonsense: bearer('wbt_00000000_' + 'A'.repeat(43)),
    tenant: own.credential,
    tenantReadOnly: bearer(await world.key(own.tenantId, ['*'], true)),
    operator: bearer(world.operatorKey),
    operatorReadOnly: bearer(await world.key(null, ['*'], true)),
    owner: await world.session(own.userId),
    reader: await world.session(await world.user({ reader: own.tenantId })),
    stranger: await world.session(await world.user()),
    operatorSession: await world.session(await world.user({ operator: true })),
    member: await world.memberToken(own),
    proxy: bearer('proxy-credential-for-tests'),
  };
}

const denied = (status: 401 | 403, code: string | undefined, callers: Record<string, Credential>): Denial[] =>
  Object.entries(callers).map(([who, credential]) => ({ who, credential, status, ...(code ? { code } : {}) }));

export interface Cast extends Callers {
  readonly world: World;
  readonly own: Actor;
  readonly other: Actor;
  /** A key with every scope there is but one; by that one and whether it is an operator's. */
  without(scope: string, operator: boolean): Promise<Credential>;
}

const inTheName = (tenant: Actor): Credential => ({ 'wirebot-tenant': tenant.tenantId });

/** Who must be turned away from a route, whatever they ask for. */
export async function denialsOf(route: DeclaredRoute, call: RouteCall, cast: Cast): Promise<Denial[]> {
  const mutates = !READS.has(route.method);
  switch (route.access) {
    case 'public':
      return [];
    case 'internal':
      return internalDenials(cast);
    case 'signed-in':
      return signedInDenials(cast, mutates);
    case 'me':
      return memberDenials(cast);
    case 'operator':
      return operatorDenials(route, cast, mutates);
    case 'tenant':
      return [...(await tenantDenials(route, cast, mutates)), ...operatorsOfNoTenant(call, cast)];
  }
}

function internalDenials({ nobody, nonsense, tenant, operator, owner, operatorSession, member }: Cast): Denial[] {
  return denied(401, 'proxy-credential-invalid', {
    nobody,
    nonsense,
    tenant,
    operator,
    owner,
    operatorSession,
    member,
  });
}

function signedInDenials(cast: Cast, mutates: boolean): Denial[] {
  const { nobody, nonsense, tenant, operator, member, proxy, owner } = cast;
  const outside = denied(401, 'session-required', { nobody, nonsense, tenant, operator, member, proxy });
  const forged = { 'cookie without origin': owner, 'cookie from another site': { ...owner, ...ELSEWHERE } };
  return mutates ? [...outside, ...denied(403, 'origin-refused', forged)] : outside;
}

function memberDenials({ nobody, nonsense, tenant, operator, owner, operatorSession, proxy }: Cast): Denial[] {
  return denied(401, undefined, { nobody, nonsense, tenant, operator, owner, operatorSession, proxy });
}

async function operatorDenials(route: DeclaredRoute, cast: Cast, mutates: boolean): Promise<Denial[]> {
  const { nobody, nonsense, tenant, member, proxy, owner, stranger, operatorReadOnly, operatorSession } = cast;
  const forged = {
    'cookie without origin': operatorSession,
    'cookie from another site': { ...operatorSession, ...ELSEWHERE },
  };
  return [
    ...denied(401, undefined, { nobody, nonsense, member, proxy }),
    ...denied(403, 'operator-required', {
      tenant,
      'a tenant’s owner': { ...owner, ...CONSOLE },
      'signed in without a role': { ...stranger, ...CONSOLE },
    }),
    ...(await scopeDenials(route, cast, true)),
    ...(mutates ? denied(403, 'key-read-only', { operatorReadOnly }) : []),
    ...(mutates ? denied(403, 'origin-refused', forged) : []),
  ];
}

async function tenantDenials(route: DeclaredRoute, cast: Cast, mutates: boolean): Promise<Denial[]> {
  const {
    nobody,
    nonsense,
    tenant,
    member,
    proxy,
    owner,
    stranger,
    tenantReadOnly,
    reader,
    operatorReadOnly,
    own,
    other,
  } = cast;
  const forged = { 'cookie without origin': owner, 'cookie from another site': { ...owner, ...ELSEWHERE } };
  return [
    ...denied(401, undefined, { nobody, nonsense, member, proxy }),
    ...denied(403, 'tenant-required', {
      'key naming another tenant': { ...tenant, ...inTheName(other) },
      'staff naming another tenant': { ...owner, ...CONSOLE, ...inTheName(other) },
      'signed in without a role': { ...stranger, ...CONSOLE },
      'signed in without a role, naming a tenant': { ...stranger, ...CONSOLE, ...inTheName(own) },
    }),
    ...(await scopeDenials(route, cast, false)),
    ...(await scopeDenials(route, cast, true, inTheName(own))),
    ...(mutates ? denied(403, 'key-read-only', { tenantReadOnly }) : []),
    ...(mutates ? denied(403, 'key-read-only', { operatorReadOnly: { ...operatorReadOnly, ...inTheName(own) } }) : []),
    ...(writes(route) ? denied(403, 'scope-missing', { 'read-only staff': { ...reader, ...CONSOLE } }) : []),
    ...(mutates ? denied(403, 'origin-refused', forged) : []),
  ];
}

function operatorsOfNoTenant({ tenantless }: RouteCall, { operator, operatorSession }: Cast): Denial[] {
  const nameless = {
    'operator naming no tenant': operator,
    'console naming no tenant': { ...operatorSession, ...CONSOLE },
  };
  return tenantless === undefined ? denied(403, 'tenant-required', nameless) : [];
}

/** One for all routes: an installation takes no more than 200 keys. */
const strangersKeys = new WeakMap<World, Map<boolean, Promise<string>>>();

function strangersKey({ world, own }: Cast, operator: boolean): Promise<string> {
  const keys = strangersKeys.get(world) ?? new Map<boolean, Promise<string>>();
  strangersKeys.set(world, keys);
  const key = keys.get(operator) ?? world.key(operator ? null : own.tenantId, ['other:read']);
  keys.set(operator, key);
  return key;
}

/** A key with nothing but `other:read`, and for each scope of the route one that has every scope but that. */
async function scopeDenials(
  route: DeclaredRoute,
  cast: Cast,
  operator: boolean,
  more: Credential = {},
): Promise<Denial[]> {
  if (route.scopes.length === 0) return [];
  const kind = operator ? 'operator' : 'tenant';
  const other = bearer(await strangersKey(cast, operator));
  const keys: Record<string, Credential> = { [`${kind} with other:read`]: { ...other, ...more } };
  for (const scope of route.scopes)
    keys[`${kind} with all but ${scope}`] = { ...(await cast.without(scope, operator)), ...more };
  return denied(403, 'scope-missing', keys);
}
