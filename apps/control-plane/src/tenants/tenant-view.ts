import type { Prisma } from '#libs/database';
import { etagOf } from '../http/etag.js';
import type { TenantStatus } from './tenant-states.js';

export interface TenantBrand {
  readonly name: string;
  readonly accent: string;
  readonly greeting: string;
}

/** Of all members together, per UTC day; null: no limit. */
export interface TenantLimits {
  readonly tokensPerDay: number | null;
  readonly costPerDayUsd: number | null;
}

export interface TenantView {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly status: TenantStatus;
  readonly hosts: readonly string[];
  readonly brand: TenantBrand;
  readonly timeZone: string;
  readonly locale: string;
  /** Ceiling of every member's trust mode, set by the tenant. */
  readonly trustCeiling: number;
  /** The same, set by an operator; the lower one counts. */
  readonly platformTrustCeiling: number;
  readonly limits: TenantLimits;
  readonly suspension: { readonly since: string; readonly reason: string } | null;
  readonly closedAt: string | null;
  /** When a closed tenant is erased. */
  readonly eraseAfter: string | null;
  readonly erasedAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** What operators see of a tenant. */
export interface OperatorTenantView extends TenantView {
  readonly members: number;
}

export const TENANT_INCLUDE = { hosts: true } satisfies Prisma.TenantInclude;
export type TenantRow = Prisma.TenantGetPayload<{ include: typeof TENANT_INCLUDE }>;

export const DEFAULT_BRAND = { accent: '#3b5bdb', greeting: 'What are we working on today?' } as const;

export const tenantEtag = (row: Pick<TenantRow, 'id' | 'version'>): string => etagOf(row.id, row.version);

export function brandOf(row: Pick<TenantRow, 'name' | 'brand'>): TenantBrand {
  const { name = row.name, accent, greeting } = row.brand as Partial<TenantBrand>;
  return { name, accent: accent ?? DEFAULT_BRAND.accent, greeting: greeting ?? DEFAULT_BRAND.greeting };
}

export function limitsOf(row: Pick<TenantRow, 'limits'>): TenantLimits {
  const { tokensPerDay = null, costPerDayUsd = null } = row.limits as Partial<TenantLimits>;
  return { tokensPerDay, costPerDayUsd };
}

export const toTenantView = (row: TenantRow): TenantView => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  status: row.status as TenantStatus,
  hosts: row.hosts.map((entry) => entry.host).sort(),
  brand: brandOf(row),
  timeZone: row.timeZone,
  locale: row.locale,
  trustCeiling: row.trustCeiling,
  platformTrustCeiling: row.platformTrustCeiling,
  limits: limitsOf(row),
  suspension: row.suspendedAt
    ? { since: row.suspendedAt.toISOString(), reason: row.suspendedReason ?? 'No reason was given.' }
    : null,
  closedAt: row.closedAt?.toISOString() ?? null,
  eraseAfter: row.eraseAfter?.toISOString() ?? null,
  erasedAt: row.erasedAt?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
