/** Who is calling. A user or an operator's key may do everything its scopes say, for any tenant. */
export type Principal =
  | { readonly kind: 'tenant'; readonly tenantId: string; readonly keyId: string; readonly scopes: readonly string[] }
  | {
      readonly kind: 'operator';
      readonly keyId?: string;
      readonly userId?: string;
      readonly scopes: readonly string[];
      /** The tenant that tenant routes act on when this operator calls them. */
      readonly tenantId?: string;
    }
  /** A proxy on /internal. */
  | { readonly kind: 'proxy' };

/** Stable id of the caller, for audit lines (`key:…`, `user:…`), rate limits and idempotency keys. */
export function actorOf(principal: Principal): string {
  if (principal.kind === 'proxy') return 'system:proxy';
  return principal.keyId ? `key:${principal.keyId}` : `user:${(principal as { userId?: string }).userId}`;
}

/** `resource:verb`; `resource:*` grants every verb of a resource, `*` everything. */
export const SCOPE_PATTERN = /^(?:\*|[a-z][a-z-]*:(?:\*|[a-z][a-z-]*))$/;

export function grants(scopes: readonly string[], wanted: string): boolean {
  const [resource] = wanted.split(':');
  return scopes.some((scope) => scope === '*' || scope === wanted || scope === `${resource}:*`);
}
