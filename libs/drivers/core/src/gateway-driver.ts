/** What should run. Changing anything but `secrets` replaces the running gateway; its state directory stays. */
export interface GatewaySpec {
  readonly id: string;
  readonly kind: 'shared' | 'dedicated';
  readonly runtime: string;
  /** Rises when the spec changes; written on the gateway so that an old one is recognised. */
  readonly generation: number;
  /** Docker: image reference or id. Process: path of the bundled gateway. */
  readonly image: string;
  /** The registered port, unique per host; `controlPort` is the control listener's. */
  readonly port: number;
  readonly controlPort: number;
  readonly resources: GatewayResources;
  /** Nothing secret in here: it is visible to whoever can inspect the host. */
  readonly environment: Readonly<Record<string, string>>;
  /** Relative path in the secrets directory -> value. The whole set: what is not listed is removed. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface GatewayResources {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly pids: number;
}

/** Where the host reaches a running gateway. */
export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
}

export type GatewayState =
  | { readonly status: 'absent' }
  | {
      readonly status: 'stopped';
      readonly generation: number;
      readonly exitCode: number | null;
      readonly oomKilled: boolean;
    }
  | {
      readonly status: 'running';
      readonly generation: number;
      readonly address: GatewayAddress;
      readonly startedAt: string;
    };

export interface GatewayInventoryEntry {
  readonly id: string;
  readonly generation: number;
  readonly running: boolean;
}

/**
 * Runs gateways on one host. Calls are idempotent and safe to repeat after a crash at any point; a missing gateway is
 * `absent`, not an error. Errors are DriverErrors that say whether another try can help. An instance sees only what
 * carries its own instance label: nothing else on the engine is ever touched.
 */
export abstract class GatewayDriver {
  abstract readonly name: 'docker' | 'process' | 'kubernetes';
  /** Makes the host ready (network, folders). Idempotent; called once at start and again after an outage. */
  abstract prepare(signal: AbortSignal): Promise<HostFacts>;
  /** Resolves once the process of exactly this spec has been started; not necessarily ready. Replaces another generation's. */
  abstract ensure(spec: GatewaySpec, signal: AbortSignal): Promise<GatewayAddress>;
  /** Rewrites the secrets directory without touching the process. */
  abstract writeSecrets(id: string, secrets: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  abstract inspect(id: string, signal: AbortSignal): Promise<GatewayState>;
  /** SIGTERM, then SIGKILL after `graceSeconds`. Resolves once nothing of it runs; keeps its state. */
  abstract stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void>;
  /** Resolves once nothing of the gateway runs any more and its secrets are gone; its state directory stays. */
  abstract remove(id: string, signal: AbortSignal): Promise<void>;
  /** Deletes the state directory of a removed gateway; refuses while it runs. */
  abstract destroyState(id: string, signal: AbortSignal): Promise<void>;
  /** Everything of this instance, running or not. */
  abstract list(signal: AbortSignal): Promise<GatewayInventoryEntry[]>;
  /** Yields the id of a gateway whose process ended or started, until the signal aborts. Gaps are allowed: callers also poll. */
  abstract watch(signal: AbortSignal): AsyncIterable<string>;
  /** The last `lines` lines of output, oldest first. */
  abstract logs(id: string, lines: number, signal: AbortSignal): Promise<string[]>;
}

export interface HostFacts {
  /** Address of the host as gateways see it: where the model broker must listen. */
  readonly hostAddressForGateways: string;
  /** Isolation in a sentence, for people. */
  readonly isolation: string;
}
