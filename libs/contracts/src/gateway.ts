import type { TrustProfile } from './trust.js';

/** What the control plane compiles for one gateway (`gateway.json`), and the control API that delivers it. */
export type GatewayKind = 'shared' | 'dedicated';
export type ProviderName = 'anthropic' | 'openai' | 'offline';

export interface AgentConfig {
  readonly agentId: string;
  readonly tenantId: string;
  readonly workspaceId: string;
  readonly memberId: string;
  /** The member's display name, as the agent addresses them. */
  readonly memberName: string;
  /** The tenant's brand: what the agent calls itself. */
  readonly brand: string;
  readonly timeZone: string;
  readonly locale: string;
  /** What it may do, on which surface, and how often. */
  readonly trust: TrustProfile;
  readonly model: { readonly provider: ProviderName; readonly name: string; readonly maxOutputTokens: number };
}

export interface GatewayConfig {
  readonly gatewayId: string;
  readonly kind: GatewayKind;
  /** Rises with every change of the configuration. */
  readonly generation: number;
  /** Fencing token of the reconciler that sent it; a lower one is refused (409 `stale-fence`). */
  readonly fence: number;
  /** `iss` and key set that member tokens are verified with. */
  readonly issuer: string;
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] };
  /** Model calls go to `<brokerUrl>/anthropic` or `<brokerUrl>/openai/v1`, with the agent's credential as API key. Null: none reachable. */
  readonly brokerUrl: string | null;
  readonly agents: readonly AgentConfig[];
}

/**
 * A gateway process reads only this from its environment; nothing in it is secret.
 *
 * - `WIREBOT_GATEWAY_ID`, `WIREBOT_STATE_DIR`, `WIREBOT_SECRETS_DIR`, `WIREBOT_LISTEN_HOST`, `WIREBOT_PORT`, `WIREBOT_CONTROL_PORT`
 *
 * Secrets directory (tmpfs, read-only for the gateway): `control` holds the control credential, `agents/<agentId>` the
 * agent's broker credential. Files are read when needed, so a change needs no restart.
 */
export const GATEWAY_ENVIRONMENT = [
  'WIREBOT_GATEWAY_ID',
  'WIREBOT_STATE_DIR',
  'WIREBOT_SECRETS_DIR',
  'WIREBOT_LISTEN_HOST',
  'WIREBOT_PORT',
  'WIREBOT_CONTROL_PORT',
] as const;

/** Response header of a gateway's problem documents with their code; the proxy reads and removes it. */
export const PROBLEM_HEADER = 'x-wirebot-problem';

/**
 * Control API, on its own listener (`WIREBOT_CONTROL_PORT`), `Authorization: Bearer <control credential>` on every call.
 *
 * - `GET /control/status` -> GatewayStatus
 * - `PUT /control/config?drainMs=20000` GatewayConfig -> ConfigApplied. Whole state, idempotent: agents that are new are
 *   attached; agents that are gone are detached (new work refused, running tasks get `drainMs`, the rest stays pending in
 *   the agent's database, which is closed; the folder stays). Persisted to `<state>/gateway.json` before it answers.
 *   409 `stale-fence` when `fence` is lower than the last, or equal with a lower `generation`.
 * - `GET /control/agents/:id/archive` -> `application/x-tar` of a detached agent's folder, last entry `manifest.json`
 *   (ArchiveManifest). 409 `agent-attached`, 404 `agent-not-found`.
 * - `PUT /control/agents/:id/archive` tar -> ArchiveManifest. Staged beside, verified against the manifest, then renamed into place; replaces
 *   a detached folder. 409 `agent-attached`, 422 `archive-invalid`.
 * - `DELETE /control/agents/:id` -> 204, deletes a detached agent's folder; 204 too when there is none. 409 `agent-attached`.
 */
export interface GatewayStatus {
  readonly gatewayId: string;
  readonly state: 'unconfigured' | 'ready' | 'draining';
  readonly generation: number;
  readonly fence: number;
  readonly version: string;
  readonly agents: readonly {
    readonly agentId: string;
    readonly open: boolean;
    readonly activeTasks: number;
    readonly sockets: number;
  }[];
}

export interface ConfigApplied {
  readonly generation: number;
  readonly agents: readonly string[];
}

export interface ArchiveManifest {
  readonly agentId: string;
  readonly createdAt: string;
  readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[];
}
