import type { ArchiveManifest, ConfigApplied, GatewayConfig, GatewayStatus, SuspendAnswer } from '#libs/contracts';
import type { Readable } from 'node:stream';

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
  /** Gives a warm gateway its identity; `at.credential` is the claim credential. Good once: `gateway-claimed` afterwards. */
  abstract claim(at: GatewayEndpoint, config: GatewayConfig, signal: AbortSignal): Promise<ConfigApplied>;
  /** Agrees with an idle gateway that it takes no new work. RuntimeError `gateway-busy` when there is anything to do. */
  abstract suspend(at: GatewayEndpoint, fence: bigint, signal: AbortSignal): Promise<SuspendAnswer>;
  /** Ends that agreement; also when there is none. */
  abstract resume(at: GatewayEndpoint, fence: bigint, signal: AbortSignal): Promise<GatewayStatus>;
  /** An agent's folder as of one moment, as a tar stream with its manifest last; the agent goes on working. Undefined: it has none yet. */
  abstract snapshotAgent(at: GatewayEndpoint, agentId: string, signal: AbortSignal): Promise<Readable | undefined>;
  /** Makes a tar stream of that form a detached agent's folder, verified file by file. `of`: whose archive it is, when another's. */
  abstract importAgent(
    at: GatewayEndpoint,
    agentId: string,
    archive: Readable,
    of: string | undefined,
    signal: AbortSignal,
  ): Promise<ArchiveManifest>;
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
