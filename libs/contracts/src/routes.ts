import type { ProviderName } from './gateway.js';
import type { TrustMode } from './trust.js';

/** Where one agent is served, and what the model broker may do for it. */
export interface AgentRoute {
  readonly agentId: string;
  readonly tenantId: string;
  readonly workspaceId: string;
  readonly memberId: string;
  readonly gatewayId: string;
  /**
   * `held`: the agent exists but cannot answer now (moving, starting): 503 with Retry-After. `asleep`: its gateway sleeps
   * because nobody needed it; `POST /internal/wake` (WakeRequest) wakes it, and the route becomes `live`.
   */
  readonly state: 'live' | 'held' | 'asleep';
  readonly target: { readonly host: string; readonly port: number };
  readonly trustModeMax: TrustMode;
  /** Lower-case hex SHA-256 of the agent's broker credential; the broker compares, and never holds the credential itself. */
  readonly credentialSha256: string;
  readonly model: { readonly provider: ProviderName; readonly name: string };
  readonly tierKey: string;
  /** What the member may use per UTC day; null: no limit. The broker asks for a lease before it spends. */
  readonly limits: { readonly tokensPerDay: number | null; readonly costPerDayMicros: number | null };
}

/**
 * A tenant's or member's own provider key, sealed to the model broker's public key (compact JWE). Nobody but the broker can
 * open it; the member's comes before the tenant's, and that before the platform's.
 */
export interface SealedProviderKey {
  readonly id: string;
  readonly tenantId: string;
  /** Null: of every member of the tenant. */
  readonly memberId: string | null;
  readonly provider: ProviderName;
  readonly version: number;
  readonly jwe: string;
}

export interface TenantRoute {
  readonly tenantId: string;
  readonly slug: string;
  readonly name: string;
  /** Host names that belong to this tenant, lower case, without port. */
  readonly hosts: readonly string[];
  readonly brand: { readonly name: string; readonly accent: string; readonly greeting: string };
  readonly status: 'active' | 'suspended';
  /** Of all its members together; null: no limit. */
  readonly limits: { readonly tokensPerDay: number | null; readonly costPerDayMicros: number | null };
  /** Its membership site's own HS256 tokens are accepted: exchange them at `/internal/token-exchange`. */
  readonly acceptsSharedSecretTokens: boolean;
}

/**
 * A revoked token id, or every token of a member (without `memberId`: of the whole tenant) issued before a time. Kept until
 * no such token can be valid.
 */
export type Revocation =
  | { readonly tenantId: string; readonly jti: string; readonly until: string }
  | { readonly tenantId: string; readonly memberId?: string; readonly issuedBefore: string; readonly until: string };

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
      readonly providerKeys: readonly SealedProviderKey[];
      /**
       * Where gateways reach the model broker, one address (`host:port`) for each network of this installation's hosts. A proxy
       * listens at those that are its own machine's.
       */
      readonly brokerAddresses?: readonly string[];
    }
  | {
      readonly type: 'delta';
      readonly from: number;
      readonly version: number;
      readonly agents?: { readonly upsert: readonly AgentRoute[]; readonly remove: readonly string[] };
      readonly tenants?: { readonly upsert: readonly TenantRoute[]; readonly remove: readonly string[] };
      readonly jwks?: { readonly keys: readonly Record<string, unknown>[] };
      readonly revocations?: readonly Revocation[];
      readonly providerKeys?: { readonly upsert: readonly SealedProviderKey[]; readonly remove: readonly string[] };
      readonly brokerAddresses?: readonly string[];
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

/**
 * `POST /internal/wake` WakeRequest (proxy credential) -> 202 WakeAnswer, as soon as the wish is stored; also when the
 * gateway is awake already. One call a gateway is enough, however many wait: proxies coalesce. What follows is told by the
 * route feed. 404 `agent-not-found`.
 */
export interface WakeRequest {
  readonly agentId: string;
}

export interface WakeAnswer {
  readonly accepted: true;
  /** Code of what has kept it from waking so far; it is tried again by itself. Null: nothing. */
  readonly trouble: string | null;
}
