import type { ProviderName, TrustMode } from './gateway.js';

/** Where one agent is served, and what the model broker may do for it. */
export interface AgentRoute {
  readonly agentId: string;
  readonly tenantId: string;
  readonly workspaceId: string;
  readonly memberId: string;
  readonly gatewayId: string;
  /** `held`: the agent exists but cannot answer now (moving, starting): 503 with Retry-After. */
  readonly state: 'live' | 'held';
  readonly target: { readonly host: string; readonly port: number };
  readonly trustModeMax: TrustMode;
  /** Lower-case hex SHA-256 of the agent's broker credential; the broker compares, and never holds the credential itself. */
  readonly credentialSha256: string;
  readonly model: { readonly provider: ProviderName; readonly name: string };
}

export interface TenantRoute {
  readonly tenantId: string;
  readonly slug: string;
  readonly name: string;
  /** Host names that belong to this tenant, lower case, without port. */
  readonly hosts: readonly string[];
  readonly brand: { readonly name: string; readonly accent: string; readonly greeting: string };
  readonly status: 'active' | 'suspended';
}

/** A revoked token id, or every token of a member issued before a time. Kept until no such token can be valid. */
export type Revocation =
  | { readonly jti: string; readonly until: string }
  | { readonly memberId: string; readonly issuedBefore: string; readonly until: string };

/**
 * Frames of `GET /internal/routes` (newline-delimited JSON, `Authorization: Bearer <proxy credential>`).
 * The first frame is always a snapshot; then deltas, each naming the version it applies to. A gap means: reconnect.
 * `epoch` names the database: another epoch replaces the table whatever its version.
 */
export type RouteFrame =
  | {
      readonly type: 'snapshot';
      readonly epoch: string;
      readonly version: number;
      readonly issuer: string;
      readonly jwks: { readonly keys: readonly Record<string, unknown>[] };
      readonly tenants: readonly TenantRoute[];
      readonly agents: readonly AgentRoute[];
      readonly revocations: readonly Revocation[];
    }
  | {
      readonly type: 'delta';
      readonly from: number;
      readonly version: number;
      readonly agents?: { readonly upsert: readonly AgentRoute[]; readonly remove: readonly string[] };
      readonly tenants?: { readonly upsert: readonly TenantRoute[]; readonly remove: readonly string[] };
      readonly jwks?: { readonly keys: readonly Record<string, unknown>[] };
      readonly revocations?: readonly Revocation[];
    }
  | { readonly type: 'heartbeat'; readonly version: number; readonly at: string };

export const ROUTE_HEARTBEAT_SECONDS = 5;

/**
 * `POST /internal/sign-in/exchange` `{tenantId, code}` (proxy credential) -> SignInResult; 401 `sign-in-code-invalid`.
 * The proxy keeps the token in an HttpOnly cookie; the page never sees it.
 */
export interface SignInResult {
  readonly token: string;
  readonly expiresAt: string;
  readonly agentId: string;
  readonly memberName: string;
}
