import type { StaffRole } from './roles.js';

/** Who is calling. */
export type Principal =
  /** A tenant's API key. */
  | {
      readonly kind: 'tenant';
      readonly tenantId: string;
      readonly keyId: string;
      readonly scopes: readonly string[];
      readonly readOnly?: boolean;
    }
  /** An operator's key or console session: may do everything its scopes say, for any tenant. */
  | {
      readonly kind: 'operator';
      readonly keyId?: string;
      readonly userId?: string;
      readonly sessionId?: string;
      readonly scopes: readonly string[];
      readonly readOnly?: boolean;
      /** The tenant that tenant routes act on when this operator calls them. */
      readonly tenantId?: string;
    }
  /** The console session of somebody who works for one tenant. */
  | {
      readonly kind: 'staff';
      readonly tenantId: string;
      readonly userId: string;
      readonly sessionId: string;
      readonly role: StaffRole;
      readonly scopes: readonly string[];
    }
  /** Somebody signed in to a console, on routes about themselves. */
  | { readonly kind: 'user'; readonly userId: string; readonly sessionId: string; readonly scopes: readonly string[] }
  /** A member's token on /v1/me. */
  | {
      readonly kind: 'member';
      readonly tenantId: string;
      readonly memberId: string;
      readonly workspaceId: string;
      readonly tokenId: string;
      readonly scopes: readonly string[];
    }
  /** A proxy on /internal. */
  | { readonly kind: 'proxy' };

/** Stable id of the caller, for audit lines (`key:…`, `user:…`, `member:…`), rate limits and idempotency keys. */
export function actorOf(principal: Principal): string {
  switch (principal.kind) {
    case 'proxy':
      return 'system:proxy';
    case 'member':
      return `member:${principal.memberId}`;
    case 'tenant':
      return `key:${principal.keyId}`;
    case 'staff':
    case 'user':
      return `user:${principal.userId}`;
    case 'operator':
      return principal.keyId ? `key:${principal.keyId}` : `user:${principal.userId}`;
  }
}

/** `resource:verb`; `resource:*` grants every verb of a resource, `*` everything. */
export const SCOPE_PATTERN = /^(?:\*|[a-z][a-z-]*:(?:\*|[a-z][a-z-]*))$/;

export function grants(scopes: readonly string[], wanted: string): boolean {
  const [resource] = wanted.split(':');
  return scopes.some((scope) => scope === '*' || scope === wanted || scope === `${resource}:*`);
}
