import type { GatewayKind } from './gateway.js';
import type { TrustMode } from './trust.js';

/** Views of the public API (`/v1`). Times are ISO 8601 in UTC. */
export type MemberStatus = 'active' | 'paused' | 'cancelled' | 'erased';
export type OperationStatus = 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface MemberView {
  readonly id: string;
  readonly externalId: string;
  readonly email: string;
  readonly name: string | null;
  readonly tier: string;
  readonly status: MemberStatus;
  readonly trustModeMax: TrustMode;
  readonly gateway: {
    readonly id: string;
    readonly kind: GatewayKind;
    readonly runtime: string;
    readonly phase: string;
    readonly url: string;
  } | null;
  /** What the agent keeps, as its gateway said last, of what the tier allows; null: not measured yet, no limit. */
  readonly disk: { readonly usedBytes: number | null; readonly limitBytes: number | null };
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface OperationStepView {
  readonly name: string;
  readonly status: 'pending' | 'running' | 'succeeded' | 'failed' | 'skipped';
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly detail: string | null;
}

export interface OperationView {
  readonly id: string;
  readonly kind: string;
  readonly status: OperationStatus;
  readonly progress: number;
  readonly steps: readonly OperationStepView[];
  readonly result: Record<string, unknown> | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

export interface TokenView {
  readonly token: string;
  readonly expiresAt: string;
  readonly url: string;
  readonly wsUrl: string;
}

/** Who member tokens are for; every verifier asks for it. */
export const MEMBER_TOKEN_AUDIENCE = 'wirebot-gateway';

/** Everything a member token may say that its holder may do. */
export const MEMBER_SCOPES = ['chat'] as const;
export type MemberScope = (typeof MEMBER_SCOPES)[number];

/** Claims of a member token. `iat` and `exp` in seconds. */
export interface MemberClaims {
  readonly iss: string;
  /** Always MEMBER_TOKEN_AUDIENCE. */
  readonly aud: string;
  /** Member id. */
  readonly sub: string;
  /** Tenant id. */
  readonly tid: string;
  /** Workspace id: names the agent. */
  readonly wid: string;
  readonly trust_mode_max: TrustMode;
  readonly scopes: readonly string[];
  readonly surfaces: readonly string[];
  /** The gateway at issue time: a hint only, an agent may move while a token lives. */
  readonly gw: string | null;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
}

/** `.wirebot/stack.json`, mode 600: a running stack describes itself. */
export interface StackFile {
  readonly controlPlane: { readonly url: string };
  readonly proxy: { readonly url: string };
  readonly admin: { readonly url: string; readonly email: string; readonly password: string };
  readonly tenant: {
    readonly id: string;
    readonly slug: string;
    readonly apiKey: string;
    readonly host: string;
    readonly url: string;
  };
  readonly driver: 'docker' | 'process';
  readonly pids: Record<string, number>;
}
