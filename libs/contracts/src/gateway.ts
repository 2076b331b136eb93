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
  /** Most bytes of its folder; null: no limit. Past it new messages are refused (507 `disk-quota-reached`), nothing is deleted. */
  readonly diskBytes: number | null;
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
  /** A rehearsal of an upgrade on copies: databases are opened and migrated, nothing is run, sent or called. */
  readonly rehearsal?: boolean;
  readonly agents: readonly AgentConfig[];
}

/**
 * A gateway process reads only this from its environment; nothing in it is secret.
 *
 * - `WIREBOT_GATEWAY_ID`, `WIREBOT_STATE_DIR`, `WIREBOT_SECRETS_DIR`, `WIREBOT_LISTEN_HOST`, `WIREBOT_PORT`, `WIREBOT_CONTROL_PORT`
 *
 * Secrets directory (tmpfs, read-only for the gateway): `control` holds the control credential, `agents/<agentId>` the
 * agent's broker credential. Files are read when needed, so a change needs no restart. A warm gateway has one file only,
 * `claim`: a credential that is good for one claim.
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
 * - `POST /control/claim` GatewayConfig -> ConfigApplied, with the *claim* credential (file `claim` of the secrets directory,
 *   see below) instead of the control credential. Once: 409 `gateway-claimed` afterwards, also after a restart. Until then
 *   the gateway is `warm`: it knows no tenant, and no other call but `GET /control/status` (with the claim credential) is open.
 * - `POST /control/suspend` SuspendRequest -> SuspendAnswer. From then on new work is refused (503 `gateway-suspending`) until
 *   `POST /control/resume` SuspendRequest -> GatewayStatus, or for 30 s of its own running time, whichever comes first: a
 *   control plane that dies in between leaves nobody locked out. 409 `gateway-busy` (problem member `reasons: BusyReason[]`)
 *   while there is anything to do; then nothing has changed. Both: 409 `stale-fence`.
 * - `GET /control/agents/:id/archive` -> `application/x-tar` of a detached agent's folder, last entry `manifest.json`
 *   (ArchiveManifest). 409 `agent-attached`, 404 `agent-not-found`.
 * - `GET /control/agents/:id/snapshot` -> the same of an agent that may be attached and at work: its databases as of one
 *   moment (SQLite's online backup), its files as they are. Nothing is held up meanwhile. 404 `agent-not-found`.
 * - `PUT /control/agents/:id/archive?of=<agentId>` tar -> ArchiveManifest. Staged beside, verified against the manifest, then
 *   renamed into place; replaces a detached folder. `of` names the agent that the archive is of when it is another (a
 *   clone). 409 `agent-attached`, 422 `archive-invalid`.
 * - `DELETE /control/agents/:id` -> 204, deletes a detached agent's folder; 204 too when there is none. 409 `agent-attached`.
 */
export interface GatewayStatus {
  readonly gatewayId: string;
  readonly state: GatewayProcessState;
  readonly generation: number;
  readonly fence: number;
  readonly version: string;
  /** Since when there is nothing to do (ISO 8601); null while there is. */
  readonly idleSince: string | null;
  /** Why it is not idle. */
  readonly busy: readonly BusyReason[];
  /** When the next job of any of its agents is due; null: none. It must run by then. */
  readonly nextJobAt: string | null;
  readonly load: GatewayLoad;
  readonly agents: readonly {
    readonly agentId: string;
    readonly open: boolean;
    readonly activeTasks: number;
    readonly sockets: number;
    /** Bytes of its folder. */
    readonly diskBytes: number;
    /** Why its database cannot be used; null: it can. */
    readonly fault: string | null;
  }[];
}

/**
 * `warm`: made ahead, nobody's yet. `unconfigured`: no configuration so far. `suspending`: agreed to be put to sleep, refuses
 * new work. `draining`: ending.
 */
export type GatewayProcessState = 'warm' | 'unconfigured' | 'ready' | 'suspending' | 'draining';

/** What keeps a gateway awake: a running task, an open connection, a job that is due soon, an answer not yet delivered. */
export type BusyReason = 'task' | 'socket' | 'request' | 'job' | 'delivery';

/** How much a gateway has to bear, for admission and rebalancing. */
export interface GatewayLoad {
  /** 99th percentile of the event loop's delay over the last minute, in milliseconds. */
  readonly eventLoopP99Ms: number;
  readonly rssBytes: number;
  /** The limit of its cgroup, else of its heap. */
  readonly memoryLimitBytes: number;
}

export interface SuspendRequest {
  /** As in GatewayConfig. */
  readonly fence: number;
}

export interface SuspendAnswer {
  readonly suspended: true;
  /** It must be awake by then; null: nothing is due. */
  readonly nextJobAt: string | null;
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
