import type { ArchiveManifest, ConfigApplied, GatewayConfig, GatewayStatus } from '#libs/contracts';

/** How to reach one running gateway's control side. The credential is secret: it never enters an error or a log. */
export interface GatewayEndpoint {
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
  readonly credential: string;
}

/**
 * The software that a gateway runs, as the reconciler needs it. Calls are idempotent; an answer that does not come in
 * time is a RuntimeError `gateway-unreachable` (retryable).
 */
export abstract class GatewayRuntime {
  abstract readonly name: string;
  abstract status(at: GatewayEndpoint, signal: AbortSignal): Promise<GatewayStatus>;
  /** Delivers the whole configuration. Agents that are gone from it are drained for at most `drainMs`. */
  abstract apply(
    at: GatewayEndpoint,
    config: GatewayConfig,
    drainMs: number,
    signal: AbortSignal,
  ): Promise<ConfigApplied>;
  /** Copies a detached agent's folder, verified file by file; the source keeps its copy. */
  abstract copyAgent(
    from: GatewayEndpoint,
    to: GatewayEndpoint,
    agentId: string,
    signal: AbortSignal,
  ): Promise<ArchiveManifest>;
  /** Deletes a detached agent's folder; resolves too when there is none. */
  abstract removeAgent(at: GatewayEndpoint, agentId: string, signal: AbortSignal): Promise<void>;
}
