import { isNarrower } from '../identity/address-list.js';
import { covers } from '../identity/scopes.js';
import { KeyExceedsMaker } from './keys.errors.js';

/** What a key may do, and from where and until when. */
export interface KeyBounds {
  readonly scopes: readonly string[];
  readonly readOnly: boolean;
  /** Canonical blocks; empty: from anywhere. */
  readonly allowedIps: readonly string[];
  /** Null: until it is revoked. */
  readonly expiresAt: Date | null;
}

/** What was asked for; what is left out is taken over from the maker. */
export interface WantedBounds {
  readonly scopes: readonly string[];
  readonly readOnly?: boolean | undefined;
  readonly allowedIps?: readonly string[] | undefined;
  readonly expiresAt?: Date | null | undefined;
}

/** Which tenants a key acts for: its own, the one that it is bound to, or (both null) any that a call names. */
export interface KeyReach {
  readonly tenantId: string | null;
  readonly defaultTenantId: string | null;
}

/** An operator's key that is bound to a tenant makes none for another, and none for all. Throws KeyExceedsMaker. */
export function assertReach(boundTo: string | null, { tenantId, defaultTenantId }: KeyReach): void {
  if (boundTo !== null && (tenantId ?? defaultTenantId) !== boundTo)
    throw new KeyExceedsMaker('your key is bound to one tenant');
}

/** The bounds of a new key, never wider than its maker's. Throws KeyExceedsMaker. */
export function boundsWithin(maker: KeyBounds, wanted: WantedBounds): KeyBounds {
  const bounds: KeyBounds = {
    scopes: [...new Set(wanted.scopes)],
    readOnly: wanted.readOnly ?? maker.readOnly,
    allowedIps: wanted.allowedIps ?? maker.allowedIps,
    expiresAt: wanted.expiresAt === undefined ? maker.expiresAt : wanted.expiresAt,
  };
  assertWithin(maker, bounds);
  return bounds;
}

/** Throws KeyExceedsMaker. */
export function assertWithin(maker: KeyBounds, { scopes, readOnly, allowedIps, expiresAt }: KeyBounds): void {
  const missing = scopes.find((scope) => !covers(maker.scopes, scope));
  if (missing !== undefined) throw new KeyExceedsMaker(`you do not have the scope ${missing}`);
  if (maker.readOnly && !readOnly) throw new KeyExceedsMaker('your key may only read');
  if (maker.allowedIps.length > 0 && !isNarrower(allowedIps, maker.allowedIps))
    throw new KeyExceedsMaker('your key works from fewer addresses');
  if (maker.expiresAt !== null && (expiresAt === null || expiresAt > maker.expiresAt))
    throw new KeyExceedsMaker('your key expires sooner');
}
